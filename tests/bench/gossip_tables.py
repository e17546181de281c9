"""The figures of the gossip bench: ours, theirs and the ratio, as tables for a terminal and for the documentation.

Hosts are compared in pairs of the same number, of which the median ratio and the range are given. Times are compared
as the ratio of their medians, with the interval in which it lies with 95 % certainty (percentile bootstrap): whom a
dead member's neighbours happen to probe next decides about a second, so a single kill says little.
"""

import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rich.table import Table

from tests.bench.gossip_measure import Detection, HostCost, HostMemory, Quiet, Spread

OURS, THEIRS = "ours", "serf"
MIB = 1024 * 1024
_T = TypeVar("_T")
RESAMPLES = 2000
CPU_TARGET, MEMORY_TARGET = 1.0, 1.5
_INFINITE = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All of one run, by side. heading: when and on what it ran. soak: None when there was none.

    trouble: why the trials ended before their time, None if they did not.
    """

    heading: str
    hosts: int
    idle: dict[str, Quiet]
    soak: dict[str, Quiet] | None
    detections: dict[str, list[Detection]]
    spreads: dict[str, list[Spread]]
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ours through theirs: the figure, and what it lies between."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} .. {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    label: str
    ours: str
    theirs: str
    ratio: str


@dataclass(frozen=True, slots=True)
class Figures:
    """A table with its title."""

    title: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Target:
    """What was to be reached. is_met: None when this run cannot say."""

    text: str
    found: str
    is_met: bool | None

    @property
    def verdict(self) -> str:
        """One word for it."""
        return {True: "met", False: "MISSED", None: "not measured"}[self.is_met]


def tables(results: Results) -> list[Figures]:
    """Return the tables of one run."""
    found = [_quiet_table(f"One host while nothing happens, {_seconds(results.idle)}", results.idle)]
    if results.soak is not None:
        found.append(_quiet_table(f"One host in the soak, {_seconds(results.soak)}", results.soak))
    if all(results.detections.values()):
        found.append(_detection_table(results))
    if all(results.spreads.values()):
        found.append(_spread_table(results))
    return found


def targets(results: Results) -> list[Target]:
    """Return what was to be reached, and whether it was."""
    quiet = results.soak or results.idle
    cpu = _pairs(quiet, lambda side: [cost.processor for cost in side.costs])
    resident = _pairs(quiet, lambda side: [one.resident for one in side.memory])
    found = [
        Target(f"processor time at most {CPU_TARGET:g} x", str(cpu), cpu.middle <= CPU_TARGET),
        Target(f"memory (RSS) at most {MEMORY_TARGET:g} x", str(resident), resident.middle <= MEMORY_TARGET),
    ]
    if all(results.detections.values()):
        for label, pick in (("first failed", _failed), ("known to all", _known)):
            ratio = _medians(results.detections, pick)
            found.append(Target(f"detection not later: {label}", str(ratio), ratio.low <= 1.0))
    hours = results.soak is not None and results.soak[OURS].seconds >= 3600
    failures = (results.soak or results.idle)[OURS].failures
    found.append(Target("no false positive in an hour", str(failures), (failures == 0 if hours or failures else None)))
    return found


def to_rich(figures: Figures) -> Table:
    """Return a table for the terminal."""
    drawn = Table(title=figures.title, title_justify="left")
    for column, name in enumerate(("", OURS, THEIRS, "ratio")):
        drawn.add_column(name, justify="right" if column else "left")
    for row in figures.rows:
        drawn.add_row(row.label, row.ours, row.theirs, row.ratio)
    return drawn


def targets_to_rich(found: Sequence[Target]) -> Table:
    """Return the targets for the terminal."""
    drawn = Table(title="Targets: our one agent against three of Serf's", title_justify="left")
    for name in ("target", "ratio or count", "verdict"):
        drawn.add_column(name)
    for target in found:
        drawn.add_row(target.text, target.found, target.verdict)
    return drawn


def to_rst(results: Results) -> str:
    """Return all tables for the documentation."""
    parts = [results.heading + "\n"]
    for figures in tables(results):
        rows = [(row.label, row.ours, row.theirs, row.ratio) for row in figures.rows]
        parts.append(_list_table(figures.title, ("", OURS, THEIRS, "ratio"), rows))
    verdicts = [(one.text, one.found, one.verdict) for one in targets(results)]
    parts.append(_list_table("Targets", ("target", "ratio or count", "verdict"), verdicts))
    return "\n".join(parts)


def _list_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f".. list-table:: {title}", "   :header-rows: 1", "   :widths: auto", ""]
    for row in (header, *rows):
        for number, cell in enumerate(row):
            lines.append(f"   {'* -' if number == 0 else '  -'} {cell}".rstrip())
    return "\n".join(lines) + "\n"


def _seconds(quiet: dict[str, Quiet]) -> str:
    return f"{quiet[OURS].seconds:.0f} s"


def _quiet_table(title: str, quiet: dict[str, Quiet]) -> Figures:
    def cost(pick: Callable[[HostCost], float]) -> Callable[[Quiet], list[float]]:
        return lambda side: [pick(one) for one in side.costs]

    def memory(pick: Callable[[HostMemory], float]) -> Callable[[Quiet], list[float]]:
        return lambda side: [pick(one) / MIB for one in side.memory]

    lines: list[tuple[str, str, Callable[[Quiet], list[float]]]] = [
        ("processor, % of a core", ".3f", cost(lambda one: one.processor * 100)),
        ("memory, RSS, MiB", ".1f", memory(lambda one: one.resident)),
        ("memory, PSS, MiB", ".1f", memory(lambda one: one.proportional)),
        ("memory, private, MiB", ".1f", memory(lambda one: one.private)),
        ("memory, shared pages once, MiB", ".1f", memory(lambda one: one.alone)),
        ("datagrams sent, per second", ".2f", cost(lambda one: one.datagrams)),
        ("bytes sent, per second", ".0f", cost(lambda one: one.sent)),
        ("bytes received, per second", ".0f", cost(lambda one: one.received)),
    ]
    rows = [
        Row(label, _span(pick(quiet[OURS]), form), _span(pick(quiet[THEIRS]), form), str(_pairs(quiet, pick)))
        for label, form, pick in lines
    ]
    for label, count in (("suspicions", lambda side: side.suspicions), ("members called failed", _failures)):
        rows.append(Row(f"{label}, all hosts", str(count(quiet[OURS])), str(count(quiet[THEIRS])), ""))
    return Figures(title, rows)


def _failures(side: Quiet) -> int:
    return side.failures


def _suspected(one: Detection) -> float:
    return one.suspected


def _failed(one: Detection) -> float:
    return one.failed


def _known(one: Detection) -> float:
    return one.known


def _detection_table(results: Results) -> Figures:
    kills = len(results.detections[OURS]) // 3
    lines = (
        ("first suspicion", _suspected),
        ("first failed", _failed),
        ("known to all", _known),
        ("first suspicion to first failed", lambda one: one.failed - one.suspected),
        ("first failed to known to all", lambda one: one.known - one.failed),
    )
    rows = [_times(label, results.detections, pick) for label, pick in lines]
    return Figures(f"Seconds from kill -9 to ..., in each of three pools, {kills} kills of each side", rows)


def _spread_table(results: Results) -> Figures:
    count = len(results.spreads[OURS])
    rows = [
        _times("user event at the last member", results.spreads, lambda one: one.event),
        _times("query's last ack", results.spreads, lambda one: one.query),
    ]
    least = {name: str(min(one.acks for one in spreads)) for name, spreads in results.spreads.items()}
    rows.append(Row(f"fewest acks of {results.hosts} members", least[OURS], least[THEIRS], ""))
    return Figures(f"Seconds from the request to ..., {count} of each side", rows)


def _times(label: str, by_side: dict[str, list[_T]], pick: Callable[[_T], float]) -> Row:
    ours, theirs = ([pick(one) for one in by_side[name]] for name in (OURS, THEIRS))
    return Row(label, _span(ours, ".2f"), _span(theirs, ".2f"), str(_medians(by_side, pick)))


def _span(values: Sequence[float], form: str) -> str:
    low, middle, high = (f"{value:{form}}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low} .. {high})"


def _pairs(quiet: dict[str, Quiet], pick: Callable[[Quiet], Sequence[float]]) -> Ratio:
    ratios = [_quotient(a, b) for a, b in zip(pick(quiet[OURS]), pick(quiet[THEIRS]), strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def _medians(by_side: dict[str, list[_T]], pick: Callable[[_T], float]) -> Ratio:
    ours, theirs = ([pick(one) for one in by_side[name]] for name in (OURS, THEIRS))
    rng = random.Random(0)  # The same interval each time the same figures are drawn.

    def resampled(values: Sequence[float]) -> float:
        return statistics.median(rng.choices(values, k=len(values)))

    ratios = sorted(_quotient(resampled(ours), resampled(theirs)) for _ in range(RESAMPLES))
    low, high = ratios[int(0.025 * RESAMPLES)], ratios[int(0.975 * RESAMPLES) - 1]
    return Ratio(_quotient(statistics.median(ours), statistics.median(theirs)), low, high)


def _quotient(ours: float, theirs: float) -> float:
    if theirs == 0:
        return 1.0 if ours == 0 else _INFINITE
    return ours / theirs
