"""The guards' answers, alone and together."""

import pytest

from ceilo_gossip.contract.networks import Network
from remediation.guards import port
from remediation.guards.own_host import OwnHostGuard
from remediation.guards.port import GuardContext, Trouble
from remediation.guards.storm import StormGuard
from remediation.incident.facts import Decision
from remediation.incident.states import State

CONTEXT = GuardContext(own_host="ctl-1", storm_hosts=3, storm_window=60.0)


def trouble(host: str, state: State = State.CONFIRMING, **lost_since: float) -> Trouble:
    """Return a host that lost networks at these instants."""
    since = {Network(name): at for name, at in lost_since.items()}
    return Trouble(host=host, state=state, lost_since=since)


@pytest.mark.parametrize(
    ("troubles", "expected"),
    [
        ([trouble("a", storage=0.0)], Decision.ALLOW),
        ([trouble("a", storage=0.0), trouble("b", storage=1.0)], Decision.ALLOW),
        ([trouble("a", storage=0.0), trouble("b", storage=1.0), trouble("c", storage=2.0)], Decision.HOLD),
        ([trouble("a", storage=0.0), trouble("b", storage=1.0), trouble("c", tunnel=2.0)], Decision.ALLOW),
        ([trouble("a", storage=0.0), trouble("b", storage=60.0), trouble("c", storage=60.0)], Decision.HOLD),
        ([trouble("a", storage=0.0), trouble("b", storage=60.0), trouble("c", storage=61.0)], Decision.ALLOW),
        ([trouble("a", storage=90.0), trouble("b", storage=60.0), trouble("c", storage=61.0)], Decision.HOLD),
        ([trouble("b", storage=0.0), trouble("c", storage=0.0), trouble("d", storage=0.0)], Decision.ALLOW),
    ],
)
def test_storm_is_many_hosts_that_lose_one_network_within_the_window(
    troubles: list[Trouble], expected: Decision
) -> None:
    assert StormGuard(CONTEXT).judge("a", troubles, now=100.0)[0] is expected


def test_storm_that_lasts_is_not_forgotten() -> None:
    held = [trouble(host, State.HELD, storage=0.0) for host in "bc"]
    assert StormGuard(CONTEXT).judge("a", [trouble("a", storage=600.0), *held], now=700.0)[0] is Decision.HOLD


def test_hosts_that_wait_for_a_person_make_no_storm() -> None:
    escalated = [trouble(host, State.ESCALATED, storage=0.0) for host in "bc"]
    assert StormGuard(CONTEXT).judge("a", [trouble("a", storage=1.0), *escalated], now=100.0)[0] is Decision.ALLOW


def test_host_that_is_seen_again_last_is_held_while_the_storm_abates() -> None:
    guard = StormGuard(CONTEXT)
    guard.judge("a", [trouble(host, State.HELD, storage=0.0) for host in "abc"], now=90.0)
    left = [trouble(host, State.HELD, storage=0.0) for host in "ab"]

    assert guard.judge("a", left, now=95.0)[0] is Decision.HOLD
    assert guard.judge("b", left[1:], now=149.0)[0] is Decision.HOLD
    assert guard.judge("d", [*left, trouble("d", storage=94.0)], now=95.0)[0] is Decision.HOLD
    assert guard.judge("a", left, now=156.0)[0] is Decision.ALLOW


def test_host_that_was_no_part_of_the_storm_is_not_held_for_it() -> None:
    guard = StormGuard(CONTEXT)
    guard.judge("a", [trouble(host, storage=0.0) for host in "abc"], now=90.0)

    assert guard.judge("d", [trouble("d", storage=94.0)], now=95.0)[0] is Decision.ALLOW
    assert guard.judge("a", [trouble("a", tunnel=94.0)], now=95.0)[0] is Decision.ALLOW


def test_storm_names_the_hosts_and_the_network() -> None:
    troubles = [trouble(host, storage=0.0, tunnel=0.0) for host in "cab"]
    _, reason = StormGuard(CONTEXT).judge("a", troubles, now=100.0)
    assert reason.startswith("3 hosts (a, b, c) lost storage within 60 s")


def test_own_host_is_refused_and_no_other() -> None:
    guard = OwnHostGuard(CONTEXT)
    assert guard.judge("ctl-1", [], now=1.0)[0] is Decision.REFUSE
    assert guard.judge("ctl-2", [], now=1.0)[0] is Decision.ALLOW


def test_strictest_answer_wins() -> None:
    troubles = [trouble(host, storage=0.0) for host in ("ctl-1", "b", "c")]
    both = [StormGuard(CONTEXT), OwnHostGuard(CONTEXT)]
    assert port.ask(both, "ctl-1", troubles, now=1.0).decision is Decision.REFUSE
    assert port.ask(both, "b", troubles, now=1.0).decision is Decision.HOLD
    assert port.ask(both, "b", troubles[1:2], now=100.0).decision is Decision.ALLOW
    assert port.ask([], "b", troubles, now=1.0).decision is Decision.ALLOW


def test_every_shipped_guard_is_installed() -> None:
    assert {type(guard) for guard in port.load(CONTEXT)} >= {OwnHostGuard, StormGuard}


def test_engine_without_one_of_its_guards_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "SHIPPED", frozenset({"storm", "own_host", "lost"}))
    with pytest.raises(port.GuardError, match="not installed: lost"):
        port.load(CONTEXT)
