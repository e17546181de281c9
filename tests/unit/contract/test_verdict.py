"""What a verdict promises, and what of it survives the way through Ceilometer and Aodh."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from ceilo_gossip.contract.errors import ContractError
from ceilo_gossip.contract.networks import Condition, Network, NetworkState
from ceilo_gossip.contract.verdict import MAX_TEXT_LENGTH, Verdict, from_payload, to_payload

UP, DOWN, UNKNOWN = NetworkState.UP, NetworkState.DOWN, NetworkState.UNKNOWN
HEALTHY = Verdict(
    verdict_id="5d0c",
    sequence=7,
    repeat=0,
    host="cmp-1",
    speaker="ctl-2",
    networks={Network.MANAGEMENT: UP, Network.STORAGE: UP, Network.TUNNEL: UP},
    conditions=frozenset(),
    since="2026-01-31T12:00:00+00:00",
    first_suspicion_at=None,
    concluded_at="2026-01-31T12:00:01+00:00",
    reason="all networks answer",
    boot_id="b1",
    role="compute",
)


def verdict(management: NetworkState = UP, storage: NetworkState = UP, tunnel: NetworkState = UP) -> Verdict:
    networks = {Network.MANAGEMENT: management, Network.STORAGE: storage, Network.TUNNEL: tunnel}
    return dataclasses.replace(HEALTHY, networks=networks)


@pytest.mark.parametrize(
    ("states", "lost"),
    [
        ((UP, UP, UP), "none"),
        ((UNKNOWN, UNKNOWN, UNKNOWN), "none"),
        ((DOWN, UP, UNKNOWN), "management"),
        ((UP, DOWN, DOWN), "storage+tunnel"),
        ((DOWN, DOWN, DOWN), "management+storage+tunnel"),
    ],
)
def test_lost_names_the_down_networks_in_one_fixed_order(states: tuple[NetworkState, ...], lost: str) -> None:
    assert verdict(*states).lost == lost


def test_unknown_networks_do_not_make_a_verdict_bad() -> None:
    assert not verdict(UNKNOWN, UNKNOWN, UNKNOWN).is_bad


def test_one_down_network_makes_a_verdict_bad() -> None:
    assert verdict(storage=DOWN).is_bad


def test_a_condition_makes_a_verdict_bad_while_all_networks_are_up() -> None:
    assert dataclasses.replace(HEALTHY, conditions=frozenset({Condition.MEMORY_ERROR})).is_bad


@pytest.mark.parametrize("name", ["", ".cmp-1", "-cmp", "cmp 1", "cmp/1", "cmp-1\n", "h" * 256, "cømp"])
@pytest.mark.parametrize("place", ["host", "speaker"])
def test_what_cannot_be_a_nova_host_name_is_refused(place: str, name: str) -> None:
    with pytest.raises(ContractError) as refused:
        dataclasses.replace(HEALTHY, **{place: name})
    assert refused.value.place == place


def test_longest_nova_host_name_is_accepted() -> None:
    assert dataclasses.replace(HEALTHY, host="h" * 255).host == "h" * 255


def test_verdict_without_one_of_the_networks_is_refused() -> None:
    with pytest.raises(ContractError, match="management, storage, tunnel") as refused:
        dataclasses.replace(HEALTHY, networks={Network.MANAGEMENT: UP, Network.STORAGE: UP})
    assert refused.value.place == "networks"


@pytest.mark.parametrize("place", ["since", "concluded_at", "first_suspicion_at"])
@pytest.mark.parametrize("instant", ["yesterday", "", "2026-01-31T12:00:00", "2026-01-31"])
def test_instant_that_is_no_instant_or_has_no_zone_is_refused(place: str, instant: str) -> None:
    with pytest.raises(ContractError) as refused:
        dataclasses.replace(HEALTHY, **{place: instant})
    assert refused.value.place == place


@pytest.mark.parametrize("place", ["sequence", "repeat"])
@pytest.mark.parametrize("number", [-1, 2**63])
def test_count_outside_of_a_signed_64_bit_number_is_refused(place: str, number: int) -> None:
    with pytest.raises(ContractError) as refused:
        dataclasses.replace(HEALTHY, **{place: number})
    assert refused.value.place == place


def test_payload_is_flat_and_holds_only_what_a_trait_can_hold() -> None:
    payload = to_payload(verdict(storage=DOWN), project_id="p1")
    assert payload == {
        "schema": 1,
        "verdict_id": "5d0c",
        "sequence": 7,
        "repeat": 0,
        "host": "cmp-1",
        "speaker": "ctl-2",
        "management": "up",
        "storage": "down",
        "tunnel": "up",
        "lost": "storage",
        "conditions": "",
        "since": "2026-01-31T12:00:00+00:00",
        "first_suspicion_at": "",
        "concluded_at": "2026-01-31T12:00:01+00:00",
        "reason": "all networks answer",
        "boot_id": "b1",
        "role": "compute",
        "project_id": "p1",
    }
    # Not bool, not a str or int subclass: msgpack and kombu's JSON are strict about what they are given.
    assert {type(value) for value in payload.values()} == {str, int}


def test_payload_lists_conditions_in_one_fixed_order() -> None:
    both = frozenset({Condition.NOVA_COMPUTE_DOWN, Condition.DISK_READ_ONLY})
    payload = to_payload(dataclasses.replace(HEALTHY, conditions=both), project_id="p1")
    assert payload["conditions"] == "disk-read-only,nova-compute-down"


def test_reason_longer_than_an_event_may_carry_is_cut_by_the_sender() -> None:
    payload = to_payload(dataclasses.replace(HEALTHY, reason="x" * (MAX_TEXT_LENGTH + 1)), project_id="p1")
    assert payload["reason"] == "x" * MAX_TEXT_LENGTH


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda payload: payload.__delitem__(name)


def _with(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda payload: payload.__setitem__(name, value)


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (_without("schema"), "schema"),
        (_with("schema", 2), "schema"),
        (_with("schema", "1"), "schema"),
        (_with("schema", True), "schema"),
        (_without("host"), "host"),
        (_with("host", 5), "host"),
        (_without("storage"), "storage"),
        (_with("storage", "DOWN"), "storage"),
        (_with("tunnel", None), "tunnel"),
        (_with("conditions", "on-fire"), "conditions"),
        (_with("sequence", 1.0), "sequence"),
        (_with("repeat", False), "repeat"),
        (_with("since", "soon"), "since"),
    ],
)
def test_malformed_payload_is_refused_naming_the_field(spoil: Callable[[dict[str, Any]], None], place: str) -> None:
    payload: dict[str, Any] = dict(to_payload(HEALTHY, project_id="p1"))
    spoil(payload)
    with pytest.raises(ContractError) as refused:
        from_payload(payload)
    assert refused.value.place == place
    assert str(refused.value).startswith(f"{place}: ")


def test_unknown_field_is_left_alone_so_that_a_newer_agent_may_say_more() -> None:
    payload = {**to_payload(HEALTHY, project_id="p1"), "hall": "north"}
    assert from_payload(payload) == HEALTHY


def test_lost_in_the_payload_is_not_believed_against_the_networks() -> None:
    payload = {**to_payload(verdict(storage=DOWN), project_id="p1"), "lost": "none"}
    assert from_payload(payload).lost == "storage"
