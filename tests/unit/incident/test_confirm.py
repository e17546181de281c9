"""The tally: a majority of the electorate, and silence counts for nothing."""

import itertools

import pytest

from ceilo_gossip.contract.networks import Network, NetworkState
from remediation.incident.confirm import Answer, Confirmation, is_decided, tally

UP, DOWN, UNKNOWN = NetworkState.UP, NetworkState.DOWN, NetworkState.UNKNOWN
THREE = ("a", "b", "c")
FIVE = ("a", "b", "c", "d", "e")


def answer(witness: str, state: NetworkState, *, quorum: bool = True) -> Answer:
    return Answer(witness, dict.fromkeys(Network, state), dict.fromkeys(Network, quorum))


@pytest.mark.parametrize(
    ("electorate", "answers", "expected"),
    [
        (THREE, [answer("a", DOWN), answer("b", DOWN)], DOWN),
        (THREE, [answer("a", DOWN)], UNKNOWN),
        (THREE, [answer("a", UP)], UNKNOWN),
        (THREE, [answer("a", UP), answer("b", UP), answer("c", DOWN)], UP),
        (THREE, [answer("a", DOWN), answer("b", DOWN, quorum=False)], UNKNOWN),
        (THREE, [answer("a", DOWN), answer("a", DOWN)], UNKNOWN),
        (THREE, [answer("a", DOWN), answer("x", DOWN), answer("y", DOWN)], UNKNOWN),
        (THREE, [answer("a", DOWN), answer("b", UNKNOWN), answer("c", UNKNOWN)], UNKNOWN),
        (THREE, [Answer("a", {}, {}), Answer("b", {}, {}), answer("c", DOWN)], UNKNOWN),
        (FIVE, [answer("a", DOWN), answer("b", DOWN), answer("c", UP), answer("d", UP)], UNKNOWN),
        (FIVE, [answer("a", DOWN), answer("b", DOWN), answer("e", DOWN)], DOWN),
        (FIVE, [], UNKNOWN),
    ],
)
def test_majority_of_the_electorate_decides(
    electorate: tuple[str, ...], answers: list[Answer], expected: NetworkState
) -> None:
    assert set(tally(Confirmation(electorate, tuple(answers))).states.values()) == {expected}


def test_networks_are_counted_apart() -> None:
    states = {Network.MANAGEMENT: UP, Network.STORAGE: DOWN, Network.TUNNEL: UNKNOWN}
    quorum = dict.fromkeys(Network, True)
    counted = tally(Confirmation(THREE, (Answer("a", states, quorum), Answer("b", states, quorum))))
    assert counted.states == states
    assert counted.lost == "storage"
    assert counted.is_down
    assert not counted.is_up
    assert not counted.is_certain


def test_sentence_names_who_was_silent_and_why() -> None:
    counted = tally(Confirmation(THREE, (answer("a", DOWN),), {"c": "silent for 2 s"}))
    assert "storage unknown (1 down of 3)" in counted.text
    assert "c: silent for 2 s" in counted.text


def test_decided_means_that_no_missing_answer_can_change_the_tally() -> None:
    """Every way in which three witnesses can answer, in every order."""
    for votes in itertools.product(NetworkState, repeat=3):
        answers = [answer(witness, vote) for witness, vote in zip(THREE, votes, strict=True)]
        for count in range(4):
            if is_decided(THREE, answers[:count]):
                early = tally(Confirmation(THREE, tuple(answers[:count])))
                assert early.states == tally(Confirmation(THREE, tuple(answers))).states


def test_two_that_agree_of_three_are_enough() -> None:
    assert is_decided(THREE, [answer("a", DOWN), answer("b", DOWN)])
    assert not is_decided(THREE, [answer("a", DOWN)])
    assert not is_decided(THREE, [answer("a", DOWN), answer("b", UP)])
