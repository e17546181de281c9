"""The lease protocol, searched exhaustively: the deadline holds, is tight, and each rule is needed for it."""

import dataclasses

import pytest

from tests.simulation.lease_model import Rates, Rules, describe, explore

LARGE = Rules()
SOUND = Rules(lease=3, watchdog=1, asked_until=1, longest_round_trip=1)
DRIFT = 0.5


@pytest.mark.parametrize("rules", [SOUND, LARGE], ids=["small", "large"])
def test_no_order_of_events_keeps_a_revoked_host_up_beyond_its_deadline_which_is_tight(rules: Rules) -> None:
    """Tight: some order of events keeps the host up to the last tick, so nothing could be taken off the formula."""
    found = explore(rules)
    assert found.violation is None, describe(found, rules)
    assert found.latest > rules.wait - 1 - 1e-6, describe(found, rules)
    assert found.cases > 10_000, "the search has seen too little to mean anything"


@pytest.mark.parametrize(
    "rates",
    [
        Rates(host=1.0, witness=1.0, controller=1.0 + DRIFT),
        Rates(host=1.0, witness=1.0 + DRIFT, controller=1.0),
        Rates(host=1.0 + DRIFT, witness=1.0, controller=1.0 + DRIFT),
        Rates(host=1.0, witness=1.0, device=1.0, controller=1.0),
    ],
    ids=str,
)
def test_deadline_holds_whichever_clock_runs_fast(rates: Rates) -> None:
    rules = dataclasses.replace(SOUND, drift=DRIFT, rates=rates)
    found = explore(rules)
    assert found.violation is None, describe(found, rules)


@pytest.mark.parametrize(
    "mutation",
    [
        {"forgets_on_restart": True},
        {"acknowledges_before_storing": True},
        {"ages_from_arrival": True},
        {"dates_by_receipt": True},
        {"ignores_revocations": True},
        {"needs": 1},
        {"watchdogs_in_deadline": 2, "watchdog": 2},
    ],
    ids=str,
)
def test_without_any_one_rule_a_revoked_host_lives_on(mutation: dict[str, object]) -> None:
    rules = dataclasses.replace(SOUND, **mutation)  # type: ignore[arg-type]
    found = explore(rules)
    assert found.violation is not None, describe(found, rules)


def test_without_counting_drift_a_fast_asker_would_be_too_early() -> None:
    rates = Rates(host=1.0, witness=1.0, controller=1.0 + DRIFT)
    rules = dataclasses.replace(SOUND, drift=DRIFT, rates=rates, counts_drift=False)
    found = explore(rules)
    assert found.violation is not None, describe(found, rules)
