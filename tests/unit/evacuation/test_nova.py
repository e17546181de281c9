"""The port to Nova: what it sends, what it reads, and what each failure means for whoever may have to ask again."""

import errno

import pytest
import requests
from keystoneauth1 import exceptions as keystone_exceptions
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from remediation.evacuation.errors import EvacuationError, NoComputeService, Stage
from remediation.evacuation.nova import NovaCompute
from remediation.evacuation.port import MigrationProgress

SERVICE = {
    "id": "uuid-1",
    "host": "cmp-1",
    "binary": "nova-compute",
    "state": "up",
    "status": "disabled",
    "forced_down": False,
    "disabled_reason": "why",
}
SERVER = {
    "id": "i-1",
    "name": "web",
    "status": "ACTIVE",
    "tenant_id": "p-1",
    "metadata": {"b": "2", "a": "1"},
    "locked": True,
    "OS-EXT-STS:task_state": "rebuilding",
    "OS-EXT-STS:power_state": 1,
    "OS-EXT-SRV-ATTR:host": "cmp-1",
}
RECORD = {
    "id": 7,
    "uuid": "m-7",
    "instance_uuid": "i-1",
    "migration_type": "evacuation",
    "status": "done",
    "source_compute": "cmp-1",
    "dest_compute": None,
}


@pytest.fixture
def nova(keystone_session):
    return NovaCompute(keystone_session(), timeout=3.0)


def fault(code, message, kind="badRequest"):
    return code, {kind: {"code": code, "message": message}}


def refused_connection():
    cause = NewConnectionError(None, "refused")
    return requests.exceptions.ConnectionError(MaxRetryError(None, "/", reason=cause))


def cut_connection():
    cause = ProtocolError("Connection aborted.", ConnectionResetError(errno.ECONNRESET, "reset"))
    return requests.exceptions.ConnectionError(cause)


def test_service_is_read(nova, transport):
    transport.answer("GET /os-services", {"services": [{**SERVICE, "host": "cmp-10"}, SERVICE]})

    service = nova.find_service("cmp-1")

    assert (service.service_id, service.host, service.is_up) == ("uuid-1", "cmp-1", True)
    assert (service.is_forced_down, service.is_enabled, service.disabled_reason) == (False, False, "why")
    assert transport.queries() == [{"host": ["cmp-1"], "binary": ["nova-compute"]}]


def test_host_without_a_service_is_named(nova, transport):
    transport.answer("GET /os-services", {"services": []})

    with pytest.raises(NoComputeService) as caught:
        nova.force_down("cmp-9")

    assert (caught.value.stage, caught.value.server, caught.value.is_retriable) == (Stage.FIND_SERVICE, "cmp-9", False)


@pytest.mark.parametrize(
    ("act", "body"),
    [
        (lambda nova: nova.force_down("cmp-1"), {"forced_down": True}),
        (lambda nova: nova.force_up("cmp-1"), {"forced_down": False}),
        (lambda nova: nova.enable("cmp-1"), {"status": "enabled"}),
        (lambda nova: nova.disable("cmp-1", "dead"), {"status": "disabled", "disabled_reason": "dead"}),
        (lambda nova: nova.disable("cmp-1", "x" * 300), {"status": "disabled", "disabled_reason": "x" * 255}),
        (lambda nova: nova.disable("cmp-1", ""), {"status": "disabled", "disabled_reason": "no reason given"}),
    ],
)
def test_service_is_changed_by_its_uuid(nova, transport, act, body):
    transport.answer("GET /os-services", {"services": [SERVICE]})
    transport.answer("PUT /os-services/uuid-1", {"service": SERVICE})

    act(nova)

    assert transport.bodies() == [body]


@pytest.mark.parametrize(
    ("act", "body"),
    [
        (lambda nova: nova.evacuate("i-1"), {"evacuate": {}}),
        (lambda nova: nova.evacuate("i-1", "cmp-2"), {"evacuate": {"host": "cmp-2"}}),
        (lambda nova: nova.live_migrate("i-1"), {"os-migrateLive": {"host": None, "block_migration": "auto"}}),
        (lambda nova: nova.stop("i-1"), {"os-stop": None}),
    ],
)
def test_action_is_sent_once_at_the_version_that_keeps_instances_active(nova, transport, act, body):
    transport.answer("GET /servers/i-1", {"server": SERVER})
    transport.answer("POST /servers/i-1/action", (202, ""))

    act(nova)

    assert transport.bodies() == [body]
    assert transport.sent[-1].headers["OpenStack-API-Version"] == "compute 2.94"


def test_every_request_has_the_timeout(keystone_session, transport):
    session = keystone_session()
    nova = NovaCompute(session, timeout=3.0)
    transport.answer("GET /os-services", {"services": [SERVICE]})
    transport.answer("PUT /os-services/uuid-1", {"service": SERVICE})

    nova.force_down("cmp-1")

    assert transport.timeouts == [3.0, 3.0]
    assert session.timeout == 3.0  # Keystone's requests use the session's.


def test_all_pages_of_instances_of_all_projects_are_read(nova, transport):
    pages = [{"servers": [{**SERVER, "id": "i-2"}]}, {"servers": [SERVER]}, {"servers": []}]
    transport.answer("GET /servers/detail", *pages)

    instances = nova.list_instances("cmp-1")

    assert [instance.id for instance in instances] == ["i-1", "i-2"]
    assert transport.queries()[0] == {"host": ["cmp-1"], "all_tenants": ["1"]}
    assert transport.queries()[1]["marker"] == ["i-2"]
    first = instances[0]
    assert (first.name, first.status, first.task_state, first.power_state) == ("web", "ACTIVE", "rebuilding", 1)
    assert (first.host, first.project_id, first.is_locked) == ("cmp-1", "p-1", True)
    assert first.metadata == (("a", "1"), ("b", "2"))


def test_fault_of_an_instance_in_error_is_read(nova, transport):
    server = {**SERVER, "status": "ERROR", "fault": {"message": "No valid host\n was found.", "code": 500}}
    transport.answer("GET /servers/i-1", {"server": server})

    assert nova.get_instance("i-1").fault == "No valid host was found."


def test_instance_that_does_not_exist_is_none(nova, transport):
    transport.answer("GET /servers/i-1", fault(404, "Instance i-1 could not be found.", "itemNotFound"))

    assert nova.get_instance("i-1") is None


def test_instance_of_a_cell_that_does_not_answer_is_no_answer(nova, transport):
    transport.answer("GET /servers/i-1", {"server": {"id": "i-1", "status": "UNKNOWN", "tenant_id": "p"}})

    with pytest.raises(EvacuationError) as caught:
        nova.get_instance("i-1")

    assert caught.value.is_retriable
    assert "cell" in caught.value.sentence


def test_all_pages_of_migration_records_are_read_oldest_first(nova, transport):
    older = {**RECORD, "id": 3, "uuid": "m-3", "status": "error", "dest_compute": "cmp-2"}
    transport.answer("GET /os-migrations", {"migrations": [RECORD]}, {"migrations": [older]}, {"migrations": []})

    records = nova.list_migrations(source="cmp-1", instance_id="i-1")

    assert [(one.id, one.progress) for one in records] == [(3, MigrationProgress.FAILED), (7, MigrationProgress.DONE)]
    assert (records[0].destination, records[1].destination) == ("cmp-2", "")
    assert transport.queries()[0] == {"source_compute": ["cmp-1"], "instance_uuid": ["i-1"]}
    assert [query.get("marker") for query in transport.queries()] == [None, ["m-7"], ["m-3"]]


@pytest.mark.parametrize(
    ("answer", "is_retriable", "is_uncertain", "words"),
    [
        (fault(400, "Compute service of cmp-1 is still in use."), True, False, "still in use"),
        (fault(403, "Policy doesn't allow it", "forbidden"), False, False, "Policy"),
        (fault(404, "Instance i-1 could not be found.", "itemNotFound"), True, False, "not be found"),
        (fault(409, "Cannot 'evacuate' instance", "conflictingRequest"), True, False, "req-1"),
        (fault(429, "slow down", "overLimit"), True, False, "HTTP 429"),
        (fault(500, "Unexpected API Error", "computeFault"), True, True, "Nova failed"),
        ((503, "<html>no backend</html>"), True, True, "HTTP 503"),
        (refused_connection(), True, False, "no answer"),
        (cut_connection(), True, True, "no answer"),
        (requests.exceptions.ReadTimeout("3 s"), True, True, "no answer"),
        (keystone_exceptions.http.Unauthorized("wrong password"), False, False, "Keystone gave no token"),
        (keystone_exceptions.http.ServiceUnavailable("later"), True, False, "Keystone gave no token"),
        (keystone_exceptions.EndpointNotFound("compute"), True, False, "cannot be reached"),
    ],
)
def test_failure_says_whether_to_ask_again_and_whether_nova_may_have_received_it(
    nova, transport, answer, is_retriable, is_uncertain, words
):
    transport.answer("POST /servers/i-1/action", answer)

    with pytest.raises(EvacuationError) as caught:
        nova.evacuate("i-1")

    error = caught.value
    assert (error.is_retriable, error.is_uncertain) == (is_retriable, is_uncertain)
    assert (error.stage, error.server) == (Stage.EVACUATE, "i-1")
    assert words in error.sentence
    assert error.sentence.startswith("evacuate i-1: ")
    assert len(transport.sent) == 1  # Never sent again below those who can look first.


def test_answer_that_is_not_novas_is_an_error_that_may_pass(nova, transport):
    transport.answer("GET /servers/detail", "<html>Welcome</html>")

    with pytest.raises(EvacuationError) as caught:
        nova.list_instances("cmp-1")

    assert caught.value.is_retriable
    assert "not understood" in caught.value.sentence


def test_force_up_may_be_tried_again_while_evacuations_are_not_cleaned_up(nova, transport):
    transport.answer("GET /os-services", {"services": [SERVICE]})
    transport.answer("PUT /os-services/uuid-1", fault(400, "1 evacuations are not completed"))

    with pytest.raises(EvacuationError) as caught:
        nova.force_up("cmp-1")

    assert caught.value.is_retriable
    with pytest.raises(EvacuationError) as caught:
        nova.force_down("cmp-1")
    assert not caught.value.is_retriable
