"""The webhook's answers, over WSGI and without a socket."""

import base64
import json
import logging
from typing import Any

import pytest
from falcon import testing
from oslo_db import exception as db_exception

from remediation.incident.call import Call
from remediation.webhook.app import make_app
from remediation.webhook.body import MAX_BYTES
from remediation.webhook.credentials import Credentials
from remediation.webhook.memory import MemoryCalls, MemoryRecorded
from tests.support.calls import NOON, aodh_body, make_verdict
from tests.support.matrices import MANAGEMENT, shipped_matrix

PASSWORD = "tell-nobody"
AUTHORIZATION = "Basic " + base64.b64encode(f"aodh:{PASSWORD}".encode()).decode()


class Caller:
    """A client of the webhook with a store of its own."""

    def __init__(self, calls: Any = None) -> None:
        self.calls = calls or MemoryCalls()
        self.app = make_app(
            credentials=Credentials("aodh", PASSWORD), matrix=shipped_matrix, calls=self.calls, clock=lambda: NOON
        )
        self.client = testing.TestClient(self.app)

    def post(
        self, body: Any = None, *, query: str = "row=storage-lost", authorization: str | None = AUTHORIZATION
    ) -> testing.Result:
        content = body if isinstance(body, bytes) else json.dumps(aodh_body() if body is None else body).encode()
        headers = {"Authorization": authorization} if authorization else {}
        return self.client.simulate_post("/v1/alarm", query_string=query, body=content, headers=headers)


@pytest.fixture
def caller() -> Caller:
    return Caller()


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]


def test_call_is_stored_and_acknowledged(caller: Caller) -> None:
    answer = caller.post()
    assert answer.status_code == 202
    assert answer.json["incident_id"] == "incident-of-cmp-1"
    (call,) = caller.calls.recorded
    assert answer.json["call_id"] == call.call_id
    assert call.row == "storage-lost"
    assert call.received_at == NOON.isoformat()


def test_each_call_gets_an_id_of_its_own(caller: Caller) -> None:
    assert caller.post().json["call_id"] != caller.post().json["call_id"]


def test_event_that_is_known_is_answered_with_its_incident(caller: Caller) -> None:
    body = aodh_body(message_id="m-1")
    first, again = caller.post(body), caller.post(body)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json == {"incident_id": first.json["incident_id"], "duplicate": True}
    assert len(caller.calls.recorded) == 1


@pytest.mark.parametrize("authorization", [None, "Basic eDp5", "Bearer x"])
def test_caller_without_the_password_is_refused(caller: Caller, authorization: str | None) -> None:
    answer = caller.post(authorization=authorization)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.json["error"]["place"] == "Authorization"
    assert caller.calls.recorded == []


def test_body_of_a_stranger_is_not_read(caller: Caller) -> None:
    assert caller.post(b"x" * (MAX_BYTES + 1), authorization=None).status_code == 401


def test_body_up_to_the_limit_is_read(caller: Caller) -> None:
    content = json.dumps(aodh_body()).encode()
    assert caller.post(content + b" " * (MAX_BYTES - len(content))).status_code == 202


def test_body_over_the_limit_is_refused(caller: Caller) -> None:
    answer = caller.post(b"x" * (MAX_BYTES + 1))
    assert answer.status_code == 413
    assert answer.json["error"]["problem"] == f"has {MAX_BYTES + 1} bytes; the limit is {MAX_BYTES}"


def test_body_without_a_length_is_refused(caller: Caller) -> None:
    answer = caller.client.simulate_post(
        "/v1/alarm", query_string="row=storage-lost", headers={"Authorization": AUTHORIZATION}
    )
    assert answer.status_code == 411
    assert caller.calls.recorded == []


def test_body_that_is_no_json_is_refused(caller: Caller) -> None:
    answer = caller.post(b"no json")
    assert answer.status_code == 400
    assert answer.json["error"]["place"] == "body"


def test_call_of_another_kind_of_alarm_is_refused_politely(caller: Caller) -> None:
    answer = caller.post({**aodh_body(), "reason_data": {"type": "composite", "composition_form": "a and b"}})
    assert answer.status_code == 400
    assert answer.json["error"]["place"] == "reason_data.type"


def test_event_of_another_schema_is_refused(caller: Caller) -> None:
    body = aodh_body()
    body["reason_data"]["event"]["traits"][0] = ["schema", 2, 2]
    answer = caller.post(body)
    assert answer.status_code == 422
    assert answer.json["error"] == {
        "code": 422,
        "place": "trait schema",
        "problem": "version 2 is not understood; this release reads 1",
    }


@pytest.mark.parametrize("query", ["row=unheard-of", "row=storage-lost,all-lost", "row="])
def test_unknown_row_is_not_found(caller: Caller, query: str) -> None:
    answer = caller.post(query=query)
    assert answer.status_code == 404
    assert "is no row of the matrix" in answer.json["error"]["problem"]
    assert caller.calls.recorded == []


@pytest.mark.parametrize("query", ["", "row=all-lost&row=storage-lost"])
def test_call_without_exactly_one_row_is_refused(caller: Caller, query: str) -> None:
    assert caller.post(query=query).status_code == 400


def test_alarm_that_contradicts_the_matrix_is_stored_and_warned_of(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    assert caller.post(aodh_body(make_verdict(lost=[MANAGEMENT]))).status_code == 202
    assert any("names row storage-lost, the matrix says management-lost" in r.getMessage() for r in caplog.records)


def test_call_that_cannot_be_stored_is_not_acknowledged(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caller.calls.is_broken = True
    answer = caller.post()
    assert answer.status_code == 503
    assert answer.json["error"]["place"] == "database"
    (record,) = [record for record in caplog.records if "refused" in record.getMessage()]
    assert record.levelno == logging.ERROR
    assert "cmp-1" in record.getMessage()


class Raising:
    """A store that raises what it is told."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def record_call(self, _call: Call) -> MemoryRecorded:
        raise self._error


def test_databases_own_errors_are_no_acknowledgement_either() -> None:
    assert Caller(Raising(db_exception.DBConnectionError())).post().status_code == 503


def test_fault_of_ours_is_logged_and_not_acknowledged(caplog: pytest.LogCaptureFixture) -> None:
    answer = Caller(Raising(RuntimeError("oops"))).post()
    assert answer.status_code == 500
    assert "oops" not in answer.text
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize(("method", "path", "code"), [("GET", "/v1/alarm", 405), ("POST", "/elsewhere", 404)])
def test_request_for_something_else_is_refused_in_the_same_form(
    caller: Caller, method: str, path: str, code: int
) -> None:
    answer = caller.client.simulate_request(method, path)
    assert answer.status_code == code
    assert answer.json["error"]["code"] == code


def test_health_is_told_to_anybody_and_tells_nothing_else(caller: Caller) -> None:
    answer = caller.client.simulate_get("/healthz")
    assert answer.status_code == 200
    assert answer.json == {"alive": True}


@pytest.mark.parametrize(
    ("content", "query", "authorization"),
    [
        (None, "row=storage-lost", None),
        (None, "row=nope", AUTHORIZATION),
        (b"no json", "row=storage-lost", AUTHORIZATION),
        (b"x" * (MAX_BYTES + 1), "row=storage-lost", AUTHORIZATION),
    ],
)
def test_each_refusal_is_one_line_with_the_callers_address_and_no_credentials(
    caller: Caller, caplog: pytest.LogCaptureFixture, content: bytes | None, query: str, authorization: str | None
) -> None:
    caller.post(content, query=query, authorization=authorization)
    (line,) = refusals(caplog)
    assert " from 127.0.0.1 refused: " in line
    assert PASSWORD not in caplog.text
    assert AUTHORIZATION.split()[1] not in caplog.text
