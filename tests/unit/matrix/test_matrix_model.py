"""The table answers for every combination, and unknown counts as up."""

import pytest

from ceilo_gossip.contract.networks import Network, NetworkState
from remediation.matrix.action import Action
from remediation.matrix.model import Matrix, combinations, describe
from tests.support.matrices import MANAGEMENT, STORAGE, TUNNEL, shipped_matrix

UP, DOWN, UNKNOWN = NetworkState


@pytest.mark.parametrize(
    ("management", "storage", "tunnel", "name"),
    [
        (UP, UP, UP, "healthy"),
        (DOWN, UP, UP, "management-lost"),
        (DOWN, UNKNOWN, UNKNOWN, "management-lost"),
        (UNKNOWN, UNKNOWN, UNKNOWN, "healthy"),
        (UNKNOWN, DOWN, UP, "storage-lost"),
        (DOWN, DOWN, UNKNOWN, "management-and-storage-lost"),
        (DOWN, DOWN, DOWN, "all-lost"),
    ],
)
def test_row_is_found_and_unknown_counts_as_up(
    management: NetworkState, storage: NetworkState, tunnel: NetworkState, name: str
) -> None:
    states = {MANAGEMENT: management, STORAGE: storage, TUNNEL: tunnel}
    assert shipped_matrix().row_for(states).name == name


def test_states_that_leave_a_network_out_are_a_fault_of_ours() -> None:
    with pytest.raises(KeyError):
        shipped_matrix().row_for({MANAGEMENT: UP, STORAGE: UP})


def test_row_is_found_by_name() -> None:
    matrix = shipped_matrix()
    assert [matrix.named(row.name) for row in matrix.rows] == list(matrix.rows)
    assert matrix.named("nothing") is None


def test_row_says_its_states() -> None:
    assert shipped_matrix().row_for_lost([STORAGE]).states == {MANAGEMENT: UP, STORAGE: DOWN, TUNNEL: UP}


def test_matrix_with_a_gap_cannot_exist() -> None:
    with pytest.raises(AssertionError, match="missing"):
        Matrix(shipped_matrix().rows[1:])


def test_matrix_with_two_rows_for_one_combination_cannot_exist() -> None:
    rows = shipped_matrix().rows
    with pytest.raises(AssertionError, match="twice"):
        Matrix((*rows, rows[0]))


def test_there_are_as_many_combinations_as_networks_allow() -> None:
    assert len(set(combinations())) == 2 ** len(Network)


def test_combination_is_described_in_words() -> None:
    assert describe(frozenset({STORAGE})) == "management up, storage down, tunnel up"


def test_actions_have_an_order_in_which_proof_weakens_an_evacuation() -> None:
    by_strength = sorted(Action, key=lambda action: action.strength)
    assert by_strength == ["none", "alert", "disable", "drain", "evacuate-on-proof", "evacuate"]
    assert [action for action in Action if action.is_fencing] == [Action.EVACUATE_ON_PROOF, Action.EVACUATE]
