"""The decision table: rows, one for each combination of networks that can be lost.

A network counts as lost only when it is DOWN. UNKNOWN counts as up: what nobody has seen is no reason to fence.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Final

from ceilo_gossip.contract.networks import Network, NetworkState
from remediation.matrix.action import Action

MAX_NAME_LENGTH: Final = 64  # Fits, with our prefix, in Aodh's 255 characters, and in one line of a terminal.
MAX_WHY_LENGTH: Final = 500
MAX_SETTLE: Final = 3600.0  # Seconds. Whoever wants to wait for more than an hour wants `alert` and a person.
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """When exactly the networks in `lost` are down, `action` follows after `settle` seconds, because of `why`.

    `name` appears in alarms, incidents and the webhook's URL. `line` is where the row was read, 0 if it was not.
    """

    name: str
    lost: frozenset[Network]
    action: Action
    settle: float
    why: str
    line: int = dataclasses.field(default=0, compare=False)

    def __post_init__(self) -> None:
        assert is_name(self.name), self.name
        assert 0 <= self.settle <= MAX_SETTLE, self.settle
        assert len(self.why) <= MAX_WHY_LENGTH, len(self.why)

    @property
    def states(self) -> Mapping[Network, NetworkState]:
        """The row's state, UP or DOWN, for each network."""
        return {n: NetworkState.DOWN if n in self.lost else NetworkState.UP for n in Network}


@dataclasses.dataclass(frozen=True, slots=True)
class Matrix:
    """All rows: each combination of networks exactly once, each name once. The loader sees to both."""

    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        assert {row.lost for row in self.rows} == set(combinations()), "a combination is missing"
        assert len({row.lost for row in self.rows}) == len(self.rows), "a combination appears twice"
        assert len({row.name for row in self.rows}) == len(self.rows), "a name appears twice"

    def row_for(self, states: Mapping[Network, NetworkState]) -> Row:
        """Return the row that applies to `states`, which must have every network; UNKNOWN counts as up."""
        return self.row_for_lost(n for n in Network if states[n] is NetworkState.DOWN)

    def row_for_lost(self, lost: Iterable[Network]) -> Row:
        """Return the row of exactly the networks `lost`."""
        wanted = frozenset(lost)
        return next(row for row in self.rows if row.lost == wanted)

    def named(self, name: str) -> Row | None:
        """Return the row called `name`, or None."""
        return next((row for row in self.rows if row.name == name), None)


def is_name(text: str) -> bool:
    """Whether `text` can name a row: words of small letters and digits, joined with "-"."""
    return len(text) <= MAX_NAME_LENGTH and bool(_NAME.match(text))


def combinations() -> tuple[frozenset[Network], ...]:
    """Return every set of networks that can be lost together, the smaller ones first."""
    sizes = range(len(Network) + 1)
    return tuple(frozenset(chosen) for size in sizes for chosen in itertools.combinations(Network, size))


def describe(lost: frozenset[Network]) -> str:
    """Return a combination as a person reads it, as in "management down, storage up, tunnel up"."""
    return ", ".join(f"{n} {NetworkState.DOWN if n in lost else NetworkState.UP}" for n in Network)
