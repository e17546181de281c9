"""The disk checker: reads what the instances wrote to their disks and says whether any ran on two hosts.

    python -m minicloud.disk_checker [-f table|json] [DIRECTORY]

A writer is one run of a guest on one host. On a sound disk the writers follow one another, each for good; the step from
one to the next is a hand-over, with a gap. A writer that writes again after another one began is a double writer: the
instance ran twice. Order and times are the storage server's, so no two clocks are compared.
Ends with 0 when every disk is sound, 1 when one has a double writer, 2 when a disk cannot be read.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from minicloud import layout

SOUND, DOUBLE_WRITER, UNREADABLE = 0, 1, 2
# A disk that two hosts write to in turns changes its writer with every record; a table need not show them all.
MAX_SHOWN = 12


class UnreadableDisk(Exception):
    """A disk holds something else than records."""


@dataclass(frozen=True, slots=True)
class Record:
    """One write, as the storage server kept it."""

    host: str
    boot_id: str
    run_id: str
    counter: int
    wall: float
    """When it arrived, in seconds since the epoch; for people."""
    monotonic: float
    """When it arrived, in seconds of the storage server's monotonic clock; for arithmetic."""

    @property
    def writer(self) -> tuple[str, str]:
        return self.host, self.run_id


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive records of one writer."""

    host: str
    run_id: str
    first: Record
    last: Record
    records: int


@dataclass(frozen=True, slots=True)
class HandOver:
    """One writer's last record was followed by another's first, for good."""

    source: str
    destination: str
    at: float
    """Arrival of the destination's first record, wall clock."""
    gap: float
    """Seconds in which nobody wrote."""


@dataclass(frozen=True, slots=True)
class DoubleWriter:
    """A writer came back after another had begun."""

    returned: str
    """The host whose guest wrote again."""
    meanwhile: str
    """The host whose guest had begun before that."""
    at: float
    """Arrival of the first record after the return, wall clock."""
    records: int
    """How many it wrote in that stretch."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a disk tells."""

    disk: str
    stretches: tuple[Stretch, ...]
    hand_overs: tuple[HandOver, ...]
    double_writers: tuple[DoubleWriter, ...]

    @property
    def is_sound(self) -> bool:
        return not self.double_writers


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a disk. Raises UnreadableDisk; a last line without an end is a write in progress."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield Record(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise UnreadableDisk(f"{path.name}, line {number}: {error}") from error


def check(disk: str, records: Iterable[Record]) -> Report:
    """Say who wrote to the disk, in order of arrival, and whether anybody came back."""
    stretches = tuple(_stretches(records))
    hand_overs: list[HandOver] = []
    double_writers: list[DoubleWriter] = []
    seen: set[tuple[str, str]] = set()
    for before, after in zip((None, *stretches), stretches, strict=False):
        if after.first.writer in seen:
            assert before is not None
            double_writers.append(DoubleWriter(after.host, before.host, after.first.wall, after.records))
        elif before is not None:
            gap = after.first.monotonic - before.last.monotonic
            hand_overs.append(HandOver(before.host, after.host, after.first.wall, gap))
        seen.add(after.first.writer)
    return Report(disk, stretches, tuple(hand_overs), tuple(double_writers))


def check_directory(directory: Path) -> tuple[Report, ...]:
    """Check every disk, also the deleted ones. Raises UnreadableDisk."""
    return tuple(check(path.name, read(path)) for path in sorted(directory.iterdir()))


def _stretches(records: Iterable[Record]) -> Iterator[Stretch]:
    first: Record | None = None
    last: Record | None = None
    count = 0
    for record in records:
        if first is not None and last is not None and record.writer != first.writer:
            yield Stretch(first.host, first.run_id, first, last, count)
            first, count = None, 0
        first = first or record
        last = record
        count += 1
    if first is not None and last is not None:
        yield Stretch(first.host, first.run_id, first, last, count)


def _clock(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%H:%M:%S.%f")[:-3]


def _table(reports: Iterable[Report]) -> Iterator[str]:
    for report in reports:
        yield f"disk {report.disk}: {'sound' if report.is_sound else 'DOUBLE WRITER'}"
        if not report.stretches:
            yield "  never written"
        for stretch in report.stretches[:MAX_SHOWN]:
            yield (
                f"  {stretch.host} run {stretch.run_id[:8]} wrote {stretch.records} records, "
                f"{_clock(stretch.first.wall)} to {_clock(stretch.last.wall)}"
            )
        if len(report.stretches) > MAX_SHOWN:
            yield f"  ... and {len(report.stretches) - MAX_SHOWN} more changes of writer"
        for hand_over in report.hand_overs:
            yield (
                f"  handed over from {hand_over.source} to {hand_over.destination} at {_clock(hand_over.at)} "
                f"after a gap of {hand_over.gap:.1f} s"
            )
        if report.double_writers:
            first, last = report.double_writers[0], report.double_writers[-1]
            yield (
                f"  {first.returned} wrote again at {_clock(first.at)} after {first.meanwhile} had begun; "
                f"{len(report.double_writers)} such returns until {_clock(last.at)}"
            )


def main(arguments: list[str] | None = None) -> int:
    """Check the disks of the cloud that the environment names, or those of a directory."""
    parser = argparse.ArgumentParser(prog="disk_checker", description="Say whether any instance ran on two hosts.")
    parser.add_argument("-f", "--format", choices=("table", "json"), default="table")
    parser.add_argument("directory", nargs="?", type=Path, help="default: the disks of the cloud")
    parsed = parser.parse_args(arguments)
    try:
        reports = check_directory(parsed.directory or layout.current().directories.disks)
    except (UnreadableDisk, OSError) as error:
        print(error, file=sys.stderr)
        return UNREADABLE
    if parsed.format == "json":
        print(json.dumps([asdict(report) | {"is_sound": report.is_sound} for report in reports], indent=1))
    else:
        print("\n".join(_table(reports)) or "no disks")
    return SOUND if all(report.is_sound for report in reports) else DOUBLE_WRITER


if __name__ == "__main__":
    sys.exit(main())
