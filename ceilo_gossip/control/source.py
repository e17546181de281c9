"""The port through which a running agent is asked."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Answer = Mapping[str, Any]


class Source(Protocol):
    """Answers are plain data that JSON can carry. Every method is called in the agent's event loop."""

    async def members(self) -> Answer:
        """Return the members of each pool as gossip sees them."""

    async def grid(self) -> Answer:
        """Return, for display, the state of each host on each network, "suspect" among them."""

    async def info(self) -> Answer:
        """Return what this agent is and how it fares: version, quorum, awareness, counters."""

    async def fresh_verdicts(self, hosts: Sequence[str] | None) -> Answer:
        """Ask the witnesses now, then return the verdicts on `hosts`, or on all; in the form of the RPC contract."""

    async def figures(self) -> Answer:
        """Return every figure this agent knows, in the form of the RPC contract."""


class FakeSource:
    """An agent that sees one host."""

    async def members(self) -> Answer:
        """Return no member."""
        return {"members": []}

    async def grid(self) -> Answer:
        """Return one host."""
        return {"hosts": ["cmp-1"]}

    async def info(self) -> Answer:
        """Return a name."""
        return {"agent": "ctl-1"}

    async def fresh_verdicts(self, hosts: Sequence[str] | None) -> Answer:
        """Return what was asked for."""
        return {"hosts": hosts}

    async def figures(self) -> Answer:
        """Return no figure."""
        return {"figures": []}
