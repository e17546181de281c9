"""When our own view of a network may be believed."""

import pytest

from ceilo_gossip.health.quorum import Quorum, QuorumPhase, QuorumSettings


def quorum(own: str = "a", electorate: frozenset[str] = frozenset("abc")) -> Quorum:
    return Quorum(QuorumSettings(electorate=electorate, own=own, window=5.0, ask_interval=1.0))


def test_nobody_is_asked_while_nobody_is_doubted() -> None:
    q = quorum()
    assert (q.phase, q.get_timer(), q.take_question(0.0)) == (QuorumPhase.RESTING, None, False)


def test_doubt_asks_at_once_and_then_once_a_second() -> None:
    q = quorum()
    q.doubt(10.0)
    assert [now for now in (10.0, 10.5, 11.0, 11.9, 12.0) if q.take_question(now)] == [10.0, 11.0, 12.0]


def test_own_host_counts_as_a_witness_that_answers() -> None:
    q = quorum(own="a")
    q.doubt(10.0)
    q.handle_answer("b", 10.1, 10.2)
    assert q.phase is QuorumPhase.HELD


def test_host_that_is_no_witness_needs_two_others() -> None:
    q = quorum(own="x")
    q.doubt(10.0)
    q.handle_answer("b", 10.1, 10.2)
    assert q.phase is QuorumPhase.ASKING
    q.handle_answer("c", 10.1, 10.2)
    assert q.phase is QuorumPhase.HELD


def test_answers_to_questions_from_before_the_doubt_do_not_count() -> None:
    q = quorum()
    q.handle_answer("b", 9.9, 9.95)
    q.doubt(10.0)
    assert q.phase is QuorumPhase.ASKING
    assert not q.is_held_since(10.0)


def test_answers_of_strangers_do_not_count() -> None:
    q = quorum()
    q.doubt(10.0)
    for name in ("x", "y", "z"):
        q.handle_answer(name, 10.1, 10.2)
    assert q.phase is QuorumPhase.ASKING


def test_silence_for_the_window_loses_the_quorum_and_an_answer_regains_it() -> None:
    q = quorum()
    q.doubt(10.0)
    q.handle_timer(14.9)
    assert q.phase is QuorumPhase.ASKING
    q.handle_timer(15.0)
    assert q.phase is QuorumPhase.LOST
    q.handle_answer("b", 16.0, 16.1)
    assert q.phase is QuorumPhase.HELD


def test_held_quorum_grows_old() -> None:
    q = quorum()
    q.doubt(10.0)
    q.handle_answer("b", 10.0, 10.1)
    q.handle_timer(15.0)
    assert q.phase is QuorumPhase.HELD
    q.handle_timer(15.1)
    assert q.phase is QuorumPhase.LOST


def test_lost_quorum_keeps_asking_though_all_is_calm() -> None:
    q = quorum()
    q.doubt(10.0)
    q.calm(15.0)
    assert q.phase is QuorumPhase.LOST
    assert q.take_question(16.0)


def test_calm_ends_the_asking() -> None:
    q = quorum()
    q.doubt(10.0)
    q.calm(10.5)
    assert (q.phase, q.get_timer()) == (QuorumPhase.RESTING, None)


def test_older_answer_that_arrives_later_takes_nothing_back() -> None:
    q = quorum()
    q.doubt(10.0)
    q.handle_answer("b", 12.0, 12.1)
    q.handle_answer("b", 11.0, 12.2)
    assert q.is_held_since(12.0)


@pytest.mark.parametrize("size", [0, 2, 4])
def test_electorate_of_even_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="odd number"):
        QuorumSettings(electorate=frozenset("abcd"[:size]), own="a")


def test_window_shorter_than_the_ask_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="within the quorum window"):
        QuorumSettings(electorate=frozenset("a"), own="a", window=1.0, ask_interval=1.0)
