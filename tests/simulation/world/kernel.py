"""Virtual time: one heap of what is to happen, in the order of (time, order in which it was asked for).

Nothing here waits, and nothing depends on the machine it runs on: the same seed gives the same order of events. Chance
comes from named streams that are all drawn from the one seed. A stream for each part of the world, and not one for
all, so that a fault that is left out (when a finding is shrunk) does not change what the others draw.
"""

import heapq
import random
from collections.abc import Callable
from typing import Any, Final

START: Final = 1000.0  # Seconds; not zero, so that "no time yet" is never mistaken for an instant.
MAX_EVENTS: Final = 50_000_000  # In one run; a world that needs more has an endless loop in it.


class Kernel:
    """The clock of the world. `now` is in seconds."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now = START
        self.events = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0

    def stream(self, name: str) -> random.Random:
        """Return a generator of its own for the part of the world called `name`."""
        return random.Random(f"{self.seed}/{name}")

    def at(self, instant: float, action: Callable[..., None], *arguments: Any) -> None:
        """Let `action(*arguments)` happen at `instant`, or now if that is over."""
        self._order += 1
        heapq.heappush(self._heap, (max(instant, self.now), self._order, action, arguments))

    def after(self, seconds: float, action: Callable[..., None], *arguments: Any) -> None:
        """Let it happen after so many seconds."""
        self.at(self.now + seconds, action, *arguments)

    def run(self, until: float, *, is_over: Callable[[], bool]) -> None:
        """Let everything happen that is due before `until`, in order, or until `is_over`."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, action, arguments = heapq.heappop(heap)
            self.events += 1
            assert self.events <= MAX_EVENTS, "the world does not come to an end"
            action(*arguments)
            if is_over():
                return
        self.now = until


class Clock:
    """One machine's monotonic clock: it started somewhere, and may run too fast or too slow."""

    def __init__(self, kernel: Kernel, *, shows: float, rate: float = 1.0) -> None:
        self._kernel = kernel
        self._since = kernel.now
        self._shown = shows
        self.rate = rate

    def __call__(self) -> float:
        """Return what the clock shows now."""
        return self._shown + (self._kernel.now - self._since) * self.rate

    def to_world(self, shown: float) -> float:
        """Return the instant of the world at which the clock will show `shown`, if its rate does not change."""
        return self._since + (shown - self._shown) / self.rate

    def set_rate(self, rate: float) -> None:
        """Let it run faster or slower from now on."""
        self._shown, self._since = self(), self._kernel.now
        self.rate = rate
