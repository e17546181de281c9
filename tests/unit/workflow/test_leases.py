"""Who may carry an incident, by clocks that agree on nothing but speed."""

import pytest

from remediation.store.store import Lease
from remediation.workflow.leases import LeaseWatch, Tenure

LENGTH = 30.0


@pytest.fixture
def watch() -> LeaseWatch:
    return LeaseWatch(own="me", length=LENGTH)


def test_incident_of_nobody_is_taken_at_once(watch: LeaseWatch) -> None:
    assert watch.may_take(Lease("i", None, 7), 0.0)


def test_lease_in_our_name_is_of_our_dead_process(watch: LeaseWatch) -> None:
    assert watch.may_take(Lease("i", "me", 7), 0.0)


def test_owner_that_shows_no_life_for_a_lease_is_replaced(watch: LeaseWatch) -> None:
    lease = Lease("i", "you", 7)
    assert not watch.may_take(lease, 100.0)
    assert not watch.may_take(lease, 100.0 + LENGTH - 0.1)
    assert watch.may_take(lease, 100.0 + LENGTH)


def test_owner_that_renews_is_never_replaced(watch: LeaseWatch) -> None:
    for beat in range(20):
        assert not watch.may_take(Lease("i", "you", beat), beat * LENGTH * 0.9)


def test_forgotten_incident_is_watched_anew(watch: LeaseWatch) -> None:
    lease = Lease("i", "you", 7)
    assert not watch.may_take(lease, 0.0)
    watch.forget_all_but(set())
    assert not watch.may_take(lease, LENGTH)


def test_owner_has_stopped_acting_half_a_lease_before_another_may_begin() -> None:
    tenure = Tenure(Lease("i", "me", 7), renewed_at=0.0, length=LENGTH)
    assert tenure.may_act(LENGTH / 2 - 0.1)
    assert not tenure.may_act(LENGTH / 2)
    assert tenure.is_due(LENGTH / 4)
    tenure.is_lost = True
    assert not tenure.may_act(0.0)
