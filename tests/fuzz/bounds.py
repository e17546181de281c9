"""Small bounds, so that a few hundred bytes reach all of them, and a look at everything that a member holds."""

import contextlib
import random
import sys
from collections import deque
from collections.abc import Iterator, Mapping

from ceilo_gossip.wire.keyring import Keyring

# Name of the constant -> its value while a member is fuzzed. Each stands in the modules of swim and serf.
SMALL: Mapping[str, int] = {
    "MAX_MEMBERS": 8,
    "CROWDED": 6,
    "MAX_ASKED": 2,
    "MAX_OF_ONE_HOST": 1,
    "MAX_QUEUED": 12,
    "MAX_PINGS": 4,
    "MAX_RELAYS": 4,
    "MAX_REQUESTS": 4,
    "MAX_EARLY_INTENTS": 4,
    "MAX_PER_LTIME": 4,
    "MAX_RUNNING": 3,
    "MAX_STRANGERS": 2,
    "MAX_DIALS": 2,
    "RING_LENGTH": 8,
}
# No container of a member may hold more than this while the bounds are small: the rings hold the most, places times
# entries, each in a container of its own, and the counters have a few dozen names.
LARGEST_CONTAINER = 64
_PACKAGES = ("ceilo_gossip.swim.", "ceilo_gossip.serf.")


@contextlib.contextmanager
def small_bounds() -> Iterator[None]:
    """Work with the small bounds; `AssertionError` when one of them is nowhere to be found."""
    before = []
    for name, small in SMALL.items():
        places = [
            module for key, module in sys.modules.items() if key.startswith(_PACKAGES) and name in module.__dict__
        ]
        assert places, f"no module of swim and serf has a bound called {name}"
        for module in places:
            before.append((module, name, module.__dict__[name]))
            setattr(module, name, small)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def containers(thing: object) -> Iterator[tuple[str, int]]:
    """Where a container is, seen from `thing`, and how much it holds; each once."""
    seen: set[int] = set()
    waiting: list[tuple[str, object]] = [("", thing)]
    while waiting:
        path, one = waiting.pop()
        if id(one) in seen or isinstance(one, str | bytes | int | float | type | random.Random | Keyring | None):
            continue
        seen.add(id(one))
        if isinstance(one, Mapping):
            yield path, len(one)
            waiting += [(f"{path}[]", value) for value in one.values()]
        elif isinstance(one, list | tuple | set | frozenset | deque):
            yield path, len(one)
            waiting += [(f"{path}[]", value) for value in one]
        elif type(one).__module__.startswith(_PACKAGES):
            names = [*getattr(one, "__dict__", ()), *_slots(type(one))]
            waiting += [(f"{path}.{name}", getattr(one, name)) for name in names if hasattr(one, name)]


def _slots(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        yield from getattr(base, "__slots__", ())
