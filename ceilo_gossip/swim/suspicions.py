"""The suspicions that run in one pool, by member, and which of them ends next.

A storm may doubt hundreds at once, and the end of the first is asked for after every packet: so the ends are kept in
a heap. A confirmation moves an end and leaves its old entry behind, to be skipped when it comes up, and so does a
refutation; when most entries are such remains the heap is made anew.
"""

import heapq

from ceilo_gossip.swim.suspicion import Suspicion, SuspicionBounds

# Remains that are left alone; also the most that a quiet pool ever has.
_REMAINS = 64


class Suspicions:
    """One for each member that is SUSPECT."""

    __slots__ = ("_ends", "_running")

    def __init__(self) -> None:
        self._running: dict[str, Suspicion] = {}
        self._ends: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._running)

    def get(self, name: str) -> Suspicion | None:
        return self._running.get(name)

    def start(self, name: str, accuser: str, now: float, bounds: SuspicionBounds) -> None:
        """A member is doubted from now on."""
        assert name not in self._running
        suspicion = Suspicion(accuser, now, bounds)
        self._running[name] = suspicion
        self._push(name, suspicion)

    def confirm(self, name: str, accuser: str) -> bool:
        """Somebody else doubts it too; False when that adds nothing."""
        suspicion = self._running[name]
        if not suspicion.confirm(accuser):
            return False
        self._push(name, suspicion)
        return True

    def end(self, name: str) -> None:
        """It is doubted no more; nothing happens when it was not."""
        if self._running.pop(name, None) is not None and not self._running:
            self._ends.clear()

    @property
    def next_deadline(self) -> float | None:
        """When the next one runs out."""
        ends = self._ends
        while ends:
            deadline, name = ends[0]
            suspicion = self._running.get(name)
            if suspicion is not None and suspicion.deadline == deadline:
                return deadline
            heapq.heappop(ends)
        return None

    def next_expired(self, now: float) -> str | None:
        """A member whose time to refute is over, if there is one; end its suspicion before asking again."""
        deadline = self.next_deadline
        return None if deadline is None or deadline > now else self._ends[0][1]

    def forgive(self, stalled: float) -> None:
        """Give every suspect the seconds in which we were not able to hear it."""
        for suspicion in self._running.values():
            suspicion.forgive(stalled)
        self._make_anew()

    def _push(self, name: str, suspicion: Suspicion) -> None:
        heapq.heappush(self._ends, (suspicion.deadline, name))
        if len(self._ends) > _REMAINS + 2 * len(self._running):
            self._make_anew()

    def _make_anew(self) -> None:
        self._ends = [(suspicion.deadline, name) for name, suspicion in self._running.items()]
        heapq.heapify(self._ends)
