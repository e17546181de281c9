"""What happened, as lines that a person reads, and one hash of all of it.

The production code's own log lines are part of the story: they are caught, and told with the virtual time and the
host on which they were written. The hash also takes in what no line tells (see `World.finish`), so that two runs with
one hash were the same run.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from tests.simulation.world.kernel import START, Kernel

MAX_LINES: Final = 200_000  # Kept; a story that is longer is told by the hash only.
WORLD: Final = "world"
_LOGGERS: Final = ("ceilo_gossip", "remediation")


class Trace:
    """Lines, the newest last. `actor` is the host, or the part of the world, that acts now."""

    def __init__(self, kernel: Kernel, *, tell: Callable[[str], None] | None = None) -> None:
        self._kernel = kernel
        self._tell = tell
        self._hash = hashlib.sha256()
        self.lines: list[str] = []
        self.actor = WORLD

    def note(self, text: str, *, actor: str | None = None) -> None:
        """Add a line."""
        line = f"{self._kernel.now - START:10.3f}  {actor or self.actor:<10}  {text}"
        self.mix(line)
        if len(self.lines) < MAX_LINES:
            self.lines.append(line)
        if self._tell is not None:
            self._tell(line)

    def mix(self, text: str) -> None:
        """Let the hash depend on `text`, which no line tells."""
        self._hash.update(text.encode())

    @property
    def digest(self) -> str:
        """The hash of everything so far."""
        return self._hash.hexdigest()


class _Listener(logging.Handler):
    """Puts log lines into a trace; tells of each fault of our own program."""

    def __init__(self, trace: Trace, on_fault: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._trace = trace
        self._on_fault = on_fault

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self._trace.note(f"[{record.levelname.lower()}] {text}")
        if record.exc_info and record.exc_info[0] is not None:
            self._on_fault(f"{text}: {record.exc_info[0].__name__}: {record.exc_info[1]}")


@contextmanager
def listening(trace: Trace, on_fault: Callable[[str], None]) -> Iterator[None]:
    """Catch the production code's log while the world runs; `on_fault` is told of each traceback in it."""
    listener = _Listener(trace, on_fault)
    before = []
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        before.append((logger, logger.level, logger.propagate))
        logger.addHandler(listener)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(listener)
            logger.setLevel(level)
            logger.propagate = propagate
