"""From Aodh's body to a call: what is read, and the field named in each refusal."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from remediation.webhook.body import read_call
from remediation.webhook.errors import Refusal
from tests.support.calls import NOON, aodh_body, make_verdict


def read(body: Any) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_call(content, row="storage-lost", call_id="c-1", received_at=NOON.isoformat())


def test_call_holds_what_aodh_said() -> None:
    call = read(aodh_body(make_verdict(), message_id="m-1"))
    assert call.verdict == make_verdict()
    assert (call.call_id, call.row, call.message_id) == ("c-1", "storage-lost", "m-1")
    assert (call.alarm_id, call.alarm_name) == ("a-1", "ceilo-gossip/storage-lost")
    assert call.received_at == NOON.isoformat()


def test_ceilometers_instant_without_zone_means_utc() -> None:
    assert read(aodh_body()).event_generated == "2026-01-31T12:00:00.250000+00:00"


def test_instant_of_another_zone_becomes_utc() -> None:
    body = aodh_body()
    body["reason_data"]["event"]["generated"] = "2026-01-31T13:00:00+01:00"
    assert read(body).event_generated == "2026-01-31T12:00:00+00:00"


def test_integer_that_came_as_text_is_an_integer() -> None:
    body = aodh_body()
    traits = body["reason_data"]["event"]["traits"]
    body["reason_data"]["event"]["traits"] = [[n, k, str(v)] for n, k, v in traits]
    assert read(body).verdict == make_verdict()


def test_traits_that_ceilometer_adds_are_passed_over() -> None:
    body = aodh_body()
    body["reason_data"]["event"]["traits"] += [["service", 1, "x"], ["load", 3, 0.5], ["at", 4, "2026-01-31T12:00:00"]]
    assert read(body).verdict == make_verdict()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"nonsense", b"\xff", b"[" * 60000, b"1" * 5000, b'{"a": NaN'], ids=lambda c: repr(c[:8])
)
def test_what_is_not_json_is_refused(content: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read(content)
    assert (caught.value.code, caught.value.place) == (400, "body")


@pytest.mark.parametrize("body", [None, [], "text", 17])
def test_json_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(Refusal, match="400 body: must be a JSON object"):
        read(body)


def _set(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(body: Any) -> None:
        for step in path[:-1]:
            body = body[step]
        body[path[-1]] = value

    return change


def _drop(*path: Any) -> Callable[[dict[str, Any]], None]:
    def change(body: Any) -> None:
        for step in path[:-1]:
            body = body[step]
        del body[path[-1]]

    return change


EVENT = ("reason_data", "event")
TRAITS = (*EVENT, "traits")


@pytest.mark.parametrize(
    ("change", "code", "place"),
    [
        (_drop("alarm_id"), 400, "alarm_id"),
        (_set("alarm_id", value=""), 400, "alarm_id"),
        (_set("alarm_name", value=7), 400, "alarm_name"),
        (_set("alarm_name", value="x" * 256), 400, "alarm_name"),
        (_set("current", value="ok"), 400, "current"),
        (_set("current", value="insufficient data"), 400, "current"),
        (_drop("reason_data"), 400, "reason_data"),
        (_set("reason_data", value="text"), 400, "reason_data"),
        (_set("reason_data", value={"type": "composite", "causative_rules": {}}), 400, "reason_data.type"),
        (_set("reason_data", value={}), 400, "reason_data.type"),
        (_drop(*EVENT), 400, "reason_data.event"),
        (_set(*EVENT, "event_type", value="compute.instance.update"), 400, "reason_data.event.event_type"),
        (_drop(*EVENT, "message_id"), 400, "reason_data.event.message_id"),
        (_drop(*EVENT, "generated"), 400, "reason_data.event.generated"),
        (_set(*EVENT, "generated", value="yesterday"), 400, "reason_data.event.generated"),
        (_set(*EVENT, "generated", value="0001-01-01T00:00:00+10:00"), 400, "reason_data.event.generated"),
        (_drop(*TRAITS), 400, "reason_data.event.traits"),
        (_set(*TRAITS, value=[["a", 1, "b"]] * 201), 400, "reason_data.event.traits"),
        (_set(*TRAITS, 3, value=["host", 1]), 400, "reason_data.event.traits[3]"),
        (_set(*TRAITS, 3, value=[None, 1, "x"]), 400, "reason_data.event.traits[3]"),
        (_set(*TRAITS, 3, value=["x", 2, "seven"]), 400, "reason_data.event.traits[3]"),
        (_set(*TRAITS, 3, value=["x", 9, "seven"]), 400, "reason_data.event.traits[3]"),
        (_set(*TRAITS, 3, value=["x", 2, True]), 400, "reason_data.event.traits[3]"),
        (_set(*TRAITS, 3, value=["x", 1, {}]), 400, "reason_data.event.traits[3]"),
        (_set(*TRAITS, 1, value=["schema", 2, 1]), 400, "reason_data.event.traits[1]"),
        (_set(*TRAITS, 0, value=["schema", 2, 99]), 422, "trait schema"),
        (_drop(*TRAITS, 0), 422, "trait schema"),
        (_set(*TRAITS, 4, value=["host", 1, "../etc"]), 422, "trait host"),
    ],
)
def test_wrong_field_is_named(change: Callable[[dict[str, Any]], None], code: int, place: str) -> None:
    body = copy.deepcopy(aodh_body())
    change(body)
    with pytest.raises(Refusal) as caught:
        read(body)
    assert (caught.value.code, caught.value.place) == (code, place)


def test_answer_repeats_little_of_what_was_sent_and_on_one_line() -> None:
    body = aodh_body()
    body["reason_data"]["type"] = "x\n" * 10000
    with pytest.raises(Refusal) as caught:
        read(body)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
