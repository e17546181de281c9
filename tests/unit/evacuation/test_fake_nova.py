"""The fake Nova is as unkind as the real one: what was seen at Nova 34, one fact a test."""

import pytest

from remediation.evacuation.errors import EvacuationError, NoComputeService
from remediation.evacuation.fake import FakeCompute


@pytest.fixture
def nova():
    fake = FakeCompute(["cmp-1", "cmp-2"])
    fake.add_instance("i-1", "cmp-1")
    return fake


def evacuate(nova):
    nova.force_down("cmp-1")
    nova.evacuate("i-1")


def test_evacuation_from_a_host_that_is_up_is_refused(nova):
    with pytest.raises(EvacuationError, match="still in use"):
        nova.evacuate("i-1")

    assert nova.instances["i-1"].host == "cmp-1"
    assert nova.migrations == []


def test_forced_down_host_is_down_at_once(nova):
    nova.force_down("cmp-1")

    service = nova.find_service("cmp-1")
    assert (service.is_up, service.is_forced_down) == (False, True)


def test_accepted_evacuation_shows_in_task_state_and_record_before_it_ends(nova):
    evacuate(nova)

    assert nova.get_instance("i-1").task_state == "rebuilding"
    assert [one.state for one in nova.list_migrations(instance_id="i-1")] == ["accepted"]
    nova.finish_all()
    assert (nova.get_instance("i-1").host, nova.get_instance("i-1").status) == ("cmp-2", "ACTIVE")
    assert [one.state for one in nova.list_migrations(source="cmp-1")] == ["done"]


def test_second_evacuation_in_flight_is_accepted_and_wedges(nova):
    evacuate(nova)
    nova.evacuate("i-1")
    nova.finish_all()

    assert nova.wedged == {"i-1"}
    assert nova.get_instance("i-1").status == "REBUILD"
    assert "error" in [one.state for one in nova.list_migrations(instance_id="i-1")]


def test_force_up_is_refused_until_the_source_has_cleaned_up(nova):
    evacuate(nova)
    nova.finish_all()

    with pytest.raises(EvacuationError, match="not completed"):
        nova.force_up("cmp-1")
    nova.restart_compute("cmp-1")
    assert nova.find_service("cmp-1").is_forced_down
    nova.force_up("cmp-1")

    assert nova.find_service("cmp-1").is_up
    assert [one.state for one in nova.list_migrations(source="cmp-1")] == ["completed"]


def test_no_valid_host_leaves_the_instance_in_error_where_it_was(nova):
    nova.disable("cmp-2", "maintenance")
    evacuate(nova)
    nova.finish_all()

    instance = nova.get_instance("i-1")
    assert (instance.status, instance.host, instance.task_state) == ("ERROR", "cmp-1", None)
    assert "No valid host" in instance.fault


def test_live_migration_moves_a_running_instance_only(nova):
    nova.live_migrate("i-1")
    assert nova.get_instance("i-1").host == "cmp-2"

    nova.stop("i-1")
    with pytest.raises(EvacuationError, match="SHUTOFF"):
        nova.live_migrate("i-1")


def test_unknown_host_has_no_service(nova):
    with pytest.raises(NoComputeService):
        nova.force_down("cmp-9")
