"""The hosts this agent has known, kept on disk, so that a host that is already down when it starts is missed.

Gossip forgets: a dead member is not in the state that a pool hands to somebody who joins. The roster is written behind
the agent's back in a thread, since a disk may hang, and whole or not at all.
"""

import asyncio
import json
import pathlib
from collections.abc import Mapping

from oslo_log import log

from ceilo_gossip.agent.files import replace_file
from ceilo_gossip.contract.errors import ContractError
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.contract.verdict import check_host
from ceilo_gossip.health.sighting import HostFacts

LOG = log.getLogger(__name__)

MAX_ROSTER_BYTES = 4 * 1024 * 1024  # A thousand bytes for each of the judge's four thousand hosts.


def read_roster(path: pathlib.Path) -> dict[str, HostFacts]:
    """Return the hosts in the file; none, with a warning, if it cannot be read: it is a memory, not a configuration."""
    try:
        if path.stat().st_size > MAX_ROSTER_BYTES:
            raise ValueError(f"it is larger than {MAX_ROSTER_BYTES} bytes")
        content = json.loads(path.read_text("utf-8"))
        return {host: _facts(host, entry) for host, entry in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        LOG.warning("%s is not used, hosts that are down already may be missed: %s", path, error)
        return {}


def write_roster(path: pathlib.Path, hosts: Mapping[str, HostFacts]) -> None:
    """Replace the file at `path`; OSError if that fails."""
    content = {
        host: {"role": facts.role, "boot_id": facts.boot_id, "networks": sorted(facts.networks)}
        for host, facts in hosts.items()
    }
    replace_file(path, json.dumps(content))


class RosterKeeper:
    """Writes the roster when it changed, one write at a time."""

    def __init__(self, path: pathlib.Path, hosts: Mapping[str, HostFacts]) -> None:
        self._path = path
        self._written = dict(hosts)
        self._task: asyncio.Task[None] | None = None

    def keep(self, hosts: Mapping[str, HostFacts]) -> None:
        """Write `hosts` if they differ from what is on disk; skipped while a write is under way, so call it again."""
        if (self._task is None or self._task.done()) and hosts != self._written:
            self._task = asyncio.create_task(self._write(dict(hosts)))

    async def _write(self, hosts: dict[str, HostFacts]) -> None:
        try:
            await asyncio.to_thread(write_roster, self._path, hosts)
        except OSError as error:
            LOG.warning(
                "%s cannot be written, a host that dies while this agent is down may be missed: %s", self._path, error
            )
        self._written = hosts  # Also after a failure: the next change tries again, the same content does not.


def _facts(host: str, entry: Mapping[str, object]) -> HostFacts:
    try:
        check_host("host", host)
    except ContractError as error:
        raise ValueError(str(error)) from error
    names = entry["networks"]
    if not isinstance(names, list):
        raise TypeError(f"networks of {host} must be a list")
    return HostFacts(role=str(entry["role"]), boot_id=str(entry["boot_id"]), networks=frozenset(map(Network, names)))
