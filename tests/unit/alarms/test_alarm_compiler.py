"""The compiler's alarms, and that its evaluation of them notices every way in which they could be wrong."""

import dataclasses
import itertools

import pytest

from ceilo_gossip.contract.messaging import EVENT_TYPE_HEALTH
from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.contract.verdict import to_payload
from remediation.alarms import compiler
from remediation.alarms.destination import Destination
from remediation.alarms.model import EventAlarm, Query
from tests.support.calls import make_verdict
from tests.support.matrices import STORAGE, shipped_matrix

DESTINATION = Destination("https://ctl.example.org:8780", "aodh", "secret")
MATRIX = shipped_matrix()
ALARMS = compiler.compile_matrix(MATRIX, DESTINATION)


def alarm_of(row: str) -> EventAlarm:
    return next(alarm for alarm in ALARMS if alarm.name == compiler.alarm_name(row))


def test_each_row_with_an_action_has_one_alarm() -> None:
    assert [alarm.name for alarm in ALARMS] == [
        f"ceilo-gossip/{row.name}" for row in MATRIX.rows if row.name != "healthy"
    ]


def test_alarm_demands_down_of_the_lost_and_not_down_of_the_kept() -> None:
    assert alarm_of("storage-lost").query == {
        Query("traits.schema", "eq", "integer", "1"),
        Query("traits.management", "ne", "string", "down"),
        Query("traits.storage", "eq", "string", "down"),
        Query("traits.tunnel", "ne", "string", "down"),
    }


def test_alarm_fires_at_each_event_and_calls_the_webhook_with_its_row() -> None:
    alarm = alarm_of("storage-lost")
    assert alarm.repeat_actions
    assert alarm.event_type == EVENT_TYPE_HEALTH
    assert alarm.actions == ("https://aodh:secret@ctl.example.org:8780/v1/alarm?row=storage-lost",)


def test_severity_tells_fencing_rows_from_others() -> None:
    fencing = {compiler.alarm_name(row.name) for row in MATRIX.rows if row.action.is_fencing}
    assert {alarm.name for alarm in ALARMS if alarm.severity == "critical"} == fencing


def test_no_condition_has_a_type_that_hurts_aodh() -> None:
    assert {query.type for alarm in ALARMS for query in alarm.query} <= {"string", "integer"}


def test_alarms_are_ours_and_say_why() -> None:
    assert all(alarm.is_ours for alarm in ALARMS)
    assert "The disks are gone" in alarm_of("storage-lost").description


@pytest.mark.parametrize("states", list(itertools.product(NetworkState, repeat=len(Network))))
def test_real_payload_fires_exactly_the_row_of_its_verdict(states: tuple[NetworkState, ...]) -> None:
    verdict = dataclasses.replace(make_verdict(), networks=dict(zip(Network, states, strict=True)))
    row = MATRIX.row_for(verdict.networks)
    traits = to_payload(verdict, project_id="p")
    fired = [alarm.name for alarm in ALARMS if compiler.fires(alarm, EVENT_TYPE_HEALTH, traits)]
    assert fired == ([] if row.name == "healthy" else [compiler.alarm_name(row.name)])


def test_other_event_type_or_schema_fires_nothing() -> None:
    traits = to_payload(make_verdict(), project_id="p")
    assert not any(compiler.fires(alarm, "compute.host.sample", traits) for alarm in ALARMS)
    assert not any(compiler.fires(alarm, EVENT_TYPE_HEALTH, {**traits, "schema": 2}) for alarm in ALARMS)


def test_compiled_alarms_agree_with_the_matrix() -> None:
    assert compiler.disagreements(MATRIX, ALARMS) == ()


def test_missing_alarm_is_noticed() -> None:
    found = compiler.disagreements(MATRIX, [alarm for alarm in ALARMS if alarm is not alarm_of("all-lost")])
    assert found == (
        "on management down, storage down, tunnel down: alarms none fire, the matrix wants ['ceilo-gossip/all-lost']",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"enabled": False},
        {"event_type": "compute.host.*"},
        {"query": frozenset({Query("traits.storage", "eq", "string", "down")})},
        {"query": frozenset({Query("traits.storage", "eq", "string", "up")})},
        {"query": frozenset()},
    ],
)
def test_wrong_alarm_is_noticed(change: dict[str, object]) -> None:
    wrong = dataclasses.replace(alarm_of("storage-lost"), **change)  # type: ignore[arg-type]
    alarms = [wrong if alarm.name == wrong.name else alarm for alarm in ALARMS]
    assert any("storage down" in line for line in compiler.disagreements(MATRIX, alarms))


def test_condition_that_takes_unknown_for_down_is_noticed() -> None:
    eager = frozenset(
        dataclasses.replace(query, op="ne", value="up") if query.field == f"traits.{STORAGE}" else query
        for query in alarm_of("storage-lost").query
    )
    alarms = [
        dataclasses.replace(alarm, query=eager) if alarm is alarm_of("storage-lost") else alarm for alarm in ALARMS
    ]
    found = compiler.disagreements(MATRIX, alarms)
    assert any("storage unknown" in line for line in found)
    assert any("storage missing" in line for line in found)
