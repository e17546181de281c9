"""Whether a matrix is wise: what would break a promise is an error, what looks unintended is a warning.

That each combination has exactly one action needs no rule here: a `Matrix` that is otherwise cannot exist.
"""

import dataclasses
import enum
from collections.abc import Iterator
from typing import Final

from ceilo_gossip.contract.networks import Network
from remediation.matrix.action import Action
from remediation.matrix.errors import Problem
from remediation.matrix.model import Matrix, Row

# Seconds. Linux multipath gives a path up after about 30 s by default (dev_loss_tmo of many transports) and Ceph marks
# an OSD down after 20 s (osd_heartbeat_grace): a storage network that comes back before them has cost nobody a disk.
SHORTEST_STORAGE_SETTLE: Final = 20.0


class Severity(enum.StrEnum):
    """ERROR: the matrix is not applied. WARNING: a person may want to look."""

    ERROR = "error"
    WARNING = "warning"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with `row`, and the remedy."""

    severity: Severity
    row: Row
    text: str

    def __str__(self) -> str:
        where = f"line {self.row.line}, " if self.row.line else ""
        return f"{self.severity}: {where}row {self.row.name}: {self.text}"


def lint(matrix: Matrix) -> tuple[Finding, ...]:
    """Return everything to be said about `matrix`, errors first."""
    rules = (_healthy_is_left_alone, _losing_more_never_weakens, _management_alone_never_fences, _can_be_done, _unwise)
    findings = [finding for rule in rules for finding in rule(matrix)]
    return tuple(sorted(findings, key=lambda finding: (finding.severity is Severity.WARNING, finding.row.line)))


def has_errors(findings: tuple[Finding, ...]) -> bool:
    """Whether a matrix with these findings must not be applied."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def as_problems(findings: tuple[Finding, ...], *, file: str) -> tuple[Problem, ...]:
    """Return the errors among `findings` as problems of `file`."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    return tuple(Problem(file, one.row.line, f"row {one.row.name}: {one.text}") for one in errors)


def _healthy_is_left_alone(matrix: Matrix) -> Iterator[Finding]:
    """Promise 2: nothing is done to a host that has lost nothing."""
    row = matrix.row_for_lost(())
    if row.action is not Action.NONE:
        yield Finding(Severity.ERROR, row, f"a host that lost nothing gets {row.action}; write none")


def _losing_more_never_weakens(matrix: Matrix) -> Iterator[Finding]:
    """A second fault must not call off what the first one called for."""
    for row in matrix.rows:
        for less in matrix.rows:
            if less.lost < row.lost and less.action.strength > row.action.strength:
                yield Finding(
                    Severity.ERROR,
                    row,
                    f"{row.action} is weaker than {less.action} of row {less.name}, which has lost less; "
                    f"write {less.action} or stronger here, or weaken {less.name}",
                )


def _management_alone_never_fences(matrix: Matrix) -> Iterator[Finding]:
    """Evacuating a host whose instances run and are reachable would itself be the outage."""
    row = matrix.row_for_lost((Network.MANAGEMENT,))
    if row.action.is_fencing:
        text = f"{row.action} stops instances that still run and are reachable; write alert or disable"
        yield Finding(Severity.ERROR, row, text)


def _can_be_done(matrix: Matrix) -> Iterator[Finding]:
    """Live migration is asked for over the management network and copies nothing without shared storage."""
    for row in matrix.rows:
        for network in (Network.MANAGEMENT, Network.STORAGE):
            if row.action is Action.DRAIN and network in row.lost:
                text = f"drain needs the {network} network, which is lost; write disable, or an evacuation"
                yield Finding(Severity.ERROR, row, text)


def _unwise(matrix: Matrix) -> Iterator[Finding]:
    for row in matrix.rows:
        if row.lost and row.action is Action.NONE:
            yield Finding(Severity.WARNING, row, "a network is lost and nobody is told; write alert or stronger")
        if row.lost == frozenset(Network) and not row.action.is_fencing:
            yield Finding(Severity.WARNING, row, f"a dead host is never recovered with {row.action}; write evacuate")
        if row.action is Action.EVACUATE and Network.STORAGE not in row.lost:
            text = "the disks still work: highest risk of double writing; write evacuate-on-proof"
            yield Finding(Severity.WARNING, row, text)
        if row.lost == {Network.STORAGE} and row.action.is_fencing and row.settle < SHORTEST_STORAGE_SETTLE:
            text = f"settle {row.settle:g} s is shorter than multipath or Ceph need to fail over; "
            yield Finding(Severity.WARNING, row, text + f"write {SHORTEST_STORAGE_SETTLE:g} or more")
