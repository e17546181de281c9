"""Leases without clocks in common: who may carry which incident.

The owner of an incident raises its beat in the database. An engine that sees the same beat for the whole length of a
lease, on its own monotonic clock, may take the incident over. The owner acts only within half of that length after its
last renewal began (`Tenure`), and no single effect takes longer than the other half (the configuration sees to it), so
it has stopped before another one can begin. Clocks need to run equally fast, not to agree.
"""

import dataclasses

from remediation.store.store import Lease


class LeaseWatch:
    """What one engine has seen of the leases of others. Used by one thread."""

    def __init__(self, *, own: str, length: float) -> None:
        self._own = own
        self._length = length
        self._seen: dict[str, tuple[Lease, float]] = {}

    def may_take(self, lease: Lease, now: float) -> bool:
        """Whether nobody can be acting under `lease`, which was read from the database at `now`.

        A lease in our own name that we do not remember is of our former process, which is dead: the daemon holds a
        lock by which there is only one of it.
        """
        if lease.owner is None or lease.owner == self._own:
            return True
        known = self._seen.get(lease.incident_id)
        if known is None or known[0] != lease:
            self._seen[lease.incident_id] = (lease, now)
            return False
        return now - known[1] >= self._length

    def forget_all_but(self, incident_ids: set[str]) -> None:
        """Forget incidents that are over."""
        self._seen = {key: seen for key, seen in self._seen.items() if key in incident_ids}


@dataclasses.dataclass(slots=True)
class Tenure:
    """Our hold on one incident. Renewed by the engine's thread, looked at by the one that carries the incident.

    lease       as it stands in the database
    renewed_at  monotonic instant before the last renewal was sent
    length      of a lease, seconds
    is_lost     another engine took over
    """

    lease: Lease
    renewed_at: float
    length: float
    is_lost: bool = False

    def is_due(self, now: float) -> bool:
        """Whether it should be renewed: four times in each length, so that one slow write costs nothing."""
        return now - self.renewed_at >= self.length / 4

    def may_act(self, now: float) -> bool:
        """Whether an effect may begin now."""
        return not self.is_lost and now - self.renewed_at < self.length / 2
