"""The ports through which a running agent is asked: by other services over RPC, and by an operator on its host."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ceilo_gossip.control.requests import (
    AskRequest,
    EventRequest,
    ForceLeaveRequest,
    KeysRequest,
    MembersRequest,
    MonitorRequest,
    ReachabilityRequest,
    RoundTripRequest,
    VerdictRequest,
)

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """The last thing an answer in parts says."""

    answer: Answer


Parts = AsyncGenerator[Answer | End, None]
"""Items as they come, then one `End`; closing it early gives up the question."""


class RefusalError(Exception):
    """The agent does not do what it was asked; one sentence that says why, and what to do instead."""


class Source(Protocol):
    """What other services ask. Answers are plain data that JSON can carry. Called in the agent's event loop."""

    async def fresh_verdicts(self, hosts: Sequence[str] | None) -> Answer:
        """Ask the witnesses now, then return the verdicts on `hosts`, or on all; in the form of the RPC contract."""

    async def figures(self) -> Answer:
        """Return every figure this agent knows, in the form of the RPC contract."""


class OperatorSource(Protocol):
    """What an operator asks and orders; each may raise `RefusalError`. Called in the agent's event loop."""

    async def members(self, request: MembersRequest) -> Answer:
        """Return the members of each pool as gossip sees them."""

    async def verdict(self, request: VerdictRequest) -> Answer:
        """Return, for display, the state of each host on each network, or one host in detail."""

    async def info(self) -> Answer:
        """Return what this agent is and how it fares."""

    async def round_trip(self, request: RoundTripRequest) -> Answer:
        """Return the estimated round trip between two hosts on each network."""

    async def keys(self, request: KeysRequest) -> Answer:
        """Look at, or change, the keyrings of all members."""

    async def event(self, request: EventRequest) -> Answer:
        """Send a user event."""

    def query(self, request: AskRequest) -> Parts:
        """Ask the members of a pool, and pass on each ack and answer."""

    async def reachability(self, request: ReachabilityRequest) -> Answer:
        """Ask every member of each pool to answer."""

    def monitor(self, request: MonitorRequest) -> Parts:
        """Tell what happens, until the agent ends."""

    async def force_leave(self, request: ForceLeaveRequest) -> Answer:
        """Have the pools count a failed host as left."""

    def leave(self) -> Parts:
        """Leave every pool in good order; the agent's process then ends."""


class FakeSource:
    """An agent that knows nothing and returns what it was asked."""

    async def fresh_verdicts(self, hosts: Sequence[str] | None) -> Answer:
        """Return what was asked for."""
        return {"hosts": hosts}

    async def figures(self) -> Answer:
        """Return no figure."""
        return {"figures": []}


class FakeOperatorSource:
    """An agent that answers from `answers` and `parts`, by the name of the method, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.answers: dict[str, Answer | Exception] = {}
        self.parts: dict[str, list[Answer | End | Exception]] = {}

    async def members(self, request: MembersRequest) -> Answer:
        """Return the given answer, or no member."""
        return self._answer("members", request, {"members": []})

    async def verdict(self, request: VerdictRequest) -> Answer:
        """Return the given answer, or one host."""
        return self._answer("verdict", request, {"hosts": ["cmp-1"]})

    async def info(self) -> Answer:
        """Return the given answer, or a name."""
        return self._answer("info", None, {"agent": "ctl-1"})

    async def round_trip(self, request: RoundTripRequest) -> Answer:
        """Return the given answer, or nothing."""
        return self._answer("round_trip", request, {})

    async def keys(self, request: KeysRequest) -> Answer:
        """Return the given answer, or nothing."""
        return self._answer("keys", request, {})

    async def event(self, request: EventRequest) -> Answer:
        """Return the given answer, or nothing."""
        return self._answer("event", request, {})

    def query(self, request: AskRequest) -> Parts:
        """Pass on the given parts."""
        return self._pass_on("query", request)

    async def reachability(self, request: ReachabilityRequest) -> Answer:
        """Return the given answer, or nothing."""
        return self._answer("reachability", request, {})

    def monitor(self, request: MonitorRequest) -> Parts:
        """Pass on the given parts."""
        return self._pass_on("monitor", request)

    async def force_leave(self, request: ForceLeaveRequest) -> Answer:
        """Return the given answer, or nothing."""
        return self._answer("force_leave", request, {})

    def leave(self) -> Parts:
        """Pass on the given parts."""
        return self._pass_on("leave", None)

    def _answer(self, name: str, request: object, otherwise: Answer) -> Answer:
        self.asked.append(request)
        answer = self.answers.get(name, otherwise)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _pass_on(self, name: str, request: object) -> Parts:
        self.asked.append(request)
        for part in self.parts.get(name, [End({})]):
            if isinstance(part, Exception):
                raise part
            yield part
