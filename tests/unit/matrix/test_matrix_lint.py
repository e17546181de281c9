"""The linter: each rule finds what it is for, and the shipped matrix passes all of them."""

import dataclasses

from ceilo_gossip.contract.networks import Network
from remediation.matrix.action import Action
from remediation.matrix.lint import Severity, as_problems, has_errors, lint
from remediation.matrix.model import Matrix
from tests.support.matrices import MANAGEMENT, STORAGE, TUNNEL, matrix_of, shipped_matrix


def changed(lost: frozenset[Network], action: Action, *, settle: float | None = None) -> Matrix:
    """Return the shipped matrix with another action for one combination."""
    return Matrix(
        tuple(
            dataclasses.replace(row, action=action, settle=row.settle if settle is None else settle)
            if row.lost == lost
            else row
            for row in shipped_matrix().rows
        )
    )


def errors(matrix: Matrix) -> list[str]:
    return [str(finding) for finding in lint(matrix) if finding.severity is Severity.ERROR]


def warnings(matrix: Matrix) -> list[str]:
    return [str(finding) for finding in lint(matrix) if finding.severity is Severity.WARNING]


def test_shipped_matrix_has_no_findings() -> None:
    assert lint(shipped_matrix()) == ()


def test_healthy_host_must_be_left_alone() -> None:
    found = errors(changed(frozenset(), Action.ALERT))
    assert found == ["error: line 19, row healthy: a host that lost nothing gets alert; write none"]


def test_losing_more_must_not_give_a_weaker_action() -> None:
    found = errors(changed(frozenset(Network), Action.DRAIN))
    assert any(
        "row all-lost: drain is weaker than evacuate of row storage-lost, which has lost less" in f for f in found
    )


def test_evacuation_on_proof_is_weaker_than_evacuation() -> None:
    found = errors(changed(frozenset(Network), Action.EVACUATE_ON_PROOF))
    assert len(found) == 3
    assert all("evacuate-on-proof is weaker than evacuate" in finding for finding in found)


def test_management_alone_must_never_fence() -> None:
    for action in (Action.EVACUATE, Action.EVACUATE_ON_PROOF):
        found = errors(changed(frozenset({MANAGEMENT}), action))
        assert any(f"row management-lost: {action} stops instances that still run" in finding for finding in found)


def test_drain_must_have_the_networks_that_it_uses() -> None:
    assert any("needs the management network" in f for f in errors(changed(frozenset({MANAGEMENT}), Action.DRAIN)))
    assert any("needs the storage network" in f for f in errors(changed(frozenset({STORAGE}), Action.DRAIN)))


def test_warnings_alone_do_not_refuse_a_matrix() -> None:
    matrix = matrix_of({})
    assert not has_errors(lint(matrix))
    assert any("row lost-storage: a network is lost and nobody is told" in warning for warning in warnings(matrix))
    assert any("a dead host is never recovered with none" in warning for warning in warnings(matrix))


def test_evacuation_with_living_disks_is_warned_of() -> None:
    found = warnings(changed(frozenset({MANAGEMENT, TUNNEL}), Action.EVACUATE))
    assert len(found) == 1
    assert "row management-and-tunnel-lost: the disks still work: highest risk of double writing" in found[0]


def test_short_settle_for_storage_is_warned_of() -> None:
    found = warnings(changed(frozenset({STORAGE}), Action.EVACUATE, settle=5))
    assert len(found) == 1
    assert (
        "row storage-lost: settle 5 s is shorter than multipath or Ceph need to fail over; write 20 or more" in found[0]
    )


def test_errors_come_first_and_become_problems_of_the_file() -> None:
    findings = lint(changed(frozenset({MANAGEMENT}), Action.EVACUATE))
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities, key=[Severity.ERROR, Severity.WARNING].index)
    problems = as_problems(findings, file="m.yaml")
    assert len(problems) == severities.count(Severity.ERROR)
    assert all(str(problem).startswith("m.yaml:") for problem in problems)
