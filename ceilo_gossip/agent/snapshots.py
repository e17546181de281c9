"""What each pool should remember over a restart, kept on disk in Serf's own format.

A memory and not a configuration: a file that cannot be read, or not be written, costs a warning and nothing else. It
is written in a thread, since a disk may hang, and whole or not at all.
"""

import asyncio
import pathlib
import threading
from collections.abc import Mapping

from oslo_log import log

from ceilo_gossip.agent.files import replace_file
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.serf.snapshot import MAX_SNAPSHOT_BYTES, Snapshot, from_bytes, to_lines

LOG = log.getLogger(__name__)


def snapshot_path(state_dir: pathlib.Path, network: Network) -> pathlib.Path:
    """Where a pool's snapshot is."""
    return state_dir / "snapshots" / str(network)


def read_snapshot(path: pathlib.Path, *, own_name: str) -> Snapshot | None:
    """Return what the pool knew before, None if that is not known."""
    try:
        with path.open("rb") as file:
            snapshot, skipped = from_bytes(file.read(MAX_SNAPSHOT_BYTES + 1), own_name=own_name)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        LOG.warning("%s is not used, the pool is looked for at its configured addresses only: %s", path, error)
        return None
    if skipped:
        LOG.warning("%d lines of %s cannot be read and are passed over", skipped, path)
    return snapshot


def write_snapshot(path: pathlib.Path, snapshot: Snapshot) -> None:
    """Replace the file at `path`; OSError if that fails."""
    replace_file(path, "".join(f"{line}\n" for line in to_lines(snapshot)))


class SnapshotKeeper:
    """Writes the pools' snapshots that changed."""

    def __init__(self, state_dir: pathlib.Path) -> None:
        self._state_dir = state_dir
        self._written: dict[Network, Snapshot] = {}
        # Who waits for a write may be cancelled, and the write goes on; it must not come after the next one.
        self._lock = threading.Lock()

    async def keep(self, snapshots: Mapping[Network, Snapshot]) -> None:
        """Write what differs from what was written last."""
        for network, snapshot in snapshots.items():
            if snapshot == self._written.get(network):
                continue
            path = snapshot_path(self._state_dir, network)
            try:
                await asyncio.to_thread(self._write, path, snapshot)
            except OSError as error:
                LOG.warning("%s cannot be written, a restart will know less: %s", path, error)
            self._written[network] = snapshot  # Also after a failure: the next change tries again.

    def _write(self, path: pathlib.Path, snapshot: Snapshot) -> None:
        with self._lock:
            write_snapshot(path, snapshot)
