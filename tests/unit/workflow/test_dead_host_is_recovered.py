"""A dead host from the first call to the last instance, and what may stand in the way."""

import pytest

from ceilo_gossip.contract.networks import Network
from remediation.evacuation.errors import EvacuationError
from remediation.evacuation.errors import Stage as Verb
from remediation.fencing.driver import PowerState
from remediation.fencing.fake import no_answer, wrong_password
from remediation.incident.evidence import LAB_METHOD
from remediation.incident.states import State
from remediation.incident.timeline import Stage
from tests.support.world import World

STORAGE = frozenset({Network.STORAGE})


@pytest.fixture
def loaded(world: World) -> World:
    """A world whose cmp-1 has instances."""
    for number in range(3):
        world.compute.add_instance(f"vm-{number}", "cmp-1")
    world.compute.add_instance("vm-off", "cmp-1", status="SHUTOFF")
    world.compute.add_instance("vm-elsewhere", "cmp-2")
    return world


def test_dead_host_is_fenced_and_every_instance_comes_back_as_it_was(loaded: World) -> None:
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")

    incident = loaded.run_until(State.RECOVERED, incident_id)

    assert incident.evidence is not None
    assert incident.evidence.method == "fake"
    assert loaded.driver.power["cmp-1"] is PowerState.OFF
    assert {one.id: one.status for one in loaded.compute.instances.values() if one.host != "cmp-1"} == {
        "vm-0": "ACTIVE",
        "vm-1": "ACTIVE",
        "vm-2": "ACTIVE",
        "vm-off": "SHUTOFF",
        "vm-elsewhere": "ACTIVE",
    }
    assert sorted(loaded.compute.evacuated) == ["vm-0", "vm-1", "vm-2", "vm-off"]
    assert not loaded.compute.broken_promises
    assert not loaded.compute.wedged


def test_stages_come_in_the_order_of_the_design(loaded: World) -> None:
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")
    loaded.run_until(State.RECOVERED, incident_id)
    wanted = [
        Stage.FIRST_SUSPICION,
        Stage.VERDICT,
        Stage.EVENT,
        Stage.WEBHOOK,
        Stage.CONFIRMED,
        Stage.FENCE_REQUESTED,
        Stage.FENCE_EVIDENCE,
        Stage.FORCED_DOWN,
        Stage.SCHEDULING_DISABLED,
        Stage.EVACUATION_PLANNED,
        Stage.EVACUATE_ACCEPTED,
        Stage.FIRST_ACTIVE,
        Stage.LAST_ACTIVE,
        Stage.RECOVERED,
    ]
    assert [stage for stage in loaded.stages(incident_id) if stage is not Stage.NOTE] == wanted


def test_dead_host_is_asked_for_within_one_look_of_the_engine(loaded: World) -> None:
    loaded.break_host("cmp-1")
    loaded.call("cmp-1")
    loaded.engine.poll()
    assert len(loaded.compute.evacuated) == 4


def test_repeated_calls_join_and_do_not_fence_again_after_the_recovery(loaded: World) -> None:
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")
    loaded.run_until(State.RECOVERED, incident_id)
    assert loaded.call("cmp-1") == incident_id
    loaded.run(30.0)
    assert [verb for verb, _ in loaded.driver.calls].count("fence") == 1
    assert loaded.state(incident_id) is State.RECOVERED


def test_incident_is_closed_once_the_host_is_put_back_into_service_and_the_next_death_opens_another(
    loaded: World,
) -> None:
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")
    loaded.run_until(State.RECOVERED, incident_id)
    loaded.compute.restart_compute("cmp-1")
    loaded.compute.force_up("cmp-1")
    loaded.run_until(State.CLOSED, incident_id)
    assert loaded.call("cmp-1") != incident_id


def test_call_that_the_agents_do_not_confirm_is_dismissed_and_nothing_is_done(loaded: World) -> None:
    incident_id = loaded.call("cmp-1")
    incident = loaded.run_until(State.DISMISSED, incident_id)
    assert "well" in incident.reason
    assert loaded.compute.calls == []
    assert loaded.driver.calls == []


@pytest.mark.parametrize("trouble", ["silent", "blind"])
def test_too_few_agents_hold_the_incident_until_they_answer(loaded: World, trouble: str) -> None:
    loaded.break_host("cmp-1")
    who = getattr(loaded.agents, trouble)
    who.update({"ctl-2", "ctl-3"})
    incident_id = loaded.call("cmp-1")
    loaded.run_until(State.HELD, incident_id)
    loaded.run(60.0)
    assert loaded.driver.calls == []
    assert loaded.stages(incident_id).count(Stage.HELD) == 1
    who.clear()
    loaded.run_until(State.RECOVERED, incident_id)


def test_one_silent_witness_of_three_changes_nothing(loaded: World) -> None:
    loaded.break_host("cmp-1")
    loaded.agents.silent.add("ctl-3")
    loaded.run_until(State.RECOVERED, loaded.call("cmp-1"), seconds=10.0)


def test_row_with_a_settle_time_is_acted_on_only_after_it(loaded: World) -> None:
    loaded.break_host("cmp-1", STORAGE)
    incident_id = loaded.call("cmp-1", STORAGE)
    loaded.run(29.5)
    assert loaded.driver.calls == []
    assert loaded.state(incident_id) is State.CONFIRMING
    loaded.run(1.5)
    assert [verb for verb, _ in loaded.driver.calls] == ["fence"]


def test_network_that_comes_back_during_the_settle_time_is_dismissed(loaded: World) -> None:
    loaded.break_host("cmp-1", STORAGE)
    incident_id = loaded.call("cmp-1", STORAGE)
    loaded.run(20.0)
    loaded.break_host("cmp-1", frozenset())
    loaded.run_until(State.DISMISSED, incident_id)
    assert loaded.driver.calls == []


def test_trouble_that_gets_worse_while_settling_follows_the_worse_row(loaded: World) -> None:
    loaded.break_host("cmp-1", STORAGE)
    incident_id = loaded.call("cmp-1", STORAGE)
    loaded.run(10.0)
    loaded.break_host("cmp-1")
    incident = loaded.run_until(State.RECOVERED, incident_id, seconds=10.0)
    assert incident.row == "all-lost"


def test_bmc_that_does_not_answer_at_first_is_tried_again(loaded: World) -> None:
    loaded.driver.faults["cmp-1"] = [no_answer("cmp-1"), no_answer("cmp-1")]
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")
    loaded.run_until(State.RECOVERED, incident_id)
    assert loaded.stages(incident_id).count(Stage.FAULT) == 2


def test_host_that_calmed_while_its_bmc_was_silent_and_then_dies_is_recovered(loaded: World) -> None:
    loaded.driver.faults["cmp-1"] = [no_answer("cmp-1")]
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")
    loaded.run_until(State.FENCING, incident_id)
    loaded.break_host("cmp-1", frozenset())
    loaded.driver.faults["cmp-1"] += [no_answer("cmp-1")] * 3  # Until the look is old and a new one is due.
    loaded.run_until(State.WATCHING, incident_id)
    loaded.driver.faults["cmp-1"].clear()
    loaded.break_host("cmp-1")
    loaded.run_until(State.RECOVERED, incident_id, seconds=15.0)


def test_silent_bmc_escalates_without_any_evacuation_and_recovers_once_it_answers(loaded: World) -> None:
    loaded.driver.faults["cmp-1"] = [no_answer("cmp-1")] * 8
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")
    incident = loaded.run_until(State.ESCALATED, incident_id, seconds=240.0)
    assert "BMC did not answer" in incident.reason
    assert loaded.compute.evacuated == []
    loaded.run_until(State.RECOVERED, incident_id, seconds=120.0)
    assert not loaded.compute.broken_promises


def test_wrong_password_escalates_at_once_and_approval_tries_again_at_once(loaded: World) -> None:
    loaded.driver.faults["cmp-1"] = [wrong_password("cmp-1")]
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")
    loaded.run_until(State.ESCALATED, incident_id, seconds=2.0)
    loaded.store.approve(incident_id, at="2026-01-31T12:00:00+00:00", by="ada")
    loaded.run_until(State.RECOVERED, incident_id, seconds=10.0)


def test_nova_that_is_away_delays_the_recovery(loaded: World) -> None:
    away = [_away(verb) for verb in [Verb.FORCE_DOWN] * 4]
    loaded.compute.faults[Verb.FORCE_DOWN] = away
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")
    loaded.run_until(State.RECOVERED, incident_id)
    assert not loaded.compute.broken_promises


def test_evacuate_whose_answer_was_lost_is_not_asked_twice(loaded: World) -> None:
    loaded.compute.lost[Verb.EVACUATE] = 2
    loaded.break_host("cmp-1")
    loaded.run_until(State.RECOVERED, loaded.call("cmp-1"))
    assert sorted(loaded.compute.evacuated) == ["vm-0", "vm-1", "vm-2", "vm-off"]
    assert not loaded.compute.wedged


def test_instance_that_nowhere_fits_is_retried_then_escalated_with_its_reason(loaded: World) -> None:
    loaded.compute.full_hosts.update(loaded.hosts)
    loaded.break_host("cmp-1")
    incident = loaded.run_until(State.ESCALATED, loaded.call("cmp-1"))
    assert "No valid host" in incident.reason
    loaded.compute.full_hosts.clear()
    loaded.run_until(State.RECOVERED, incident.incident_id, seconds=180.0)
    assert loaded.compute.instances["vm-off"].status == "SHUTOFF"


def test_instance_that_was_deleted_meanwhile_does_not_hold_the_others_up(loaded: World) -> None:
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")
    loaded.run_until(State.VERIFYING, incident_id)
    del loaded.compute.instances["vm-1"]
    loaded.compute.migrations = [one for one in loaded.compute.migrations if one.instance_id != "vm-1"]
    loaded.run_until(State.RECOVERED, incident_id)


def test_instance_that_appears_on_the_dead_host_late_is_evacuated_too(loaded: World) -> None:
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")
    loaded.run_until(State.VERIFYING, incident_id)
    loaded.compute.add_instance("vm-late", "cmp-1")
    loaded.run_until(State.RECOVERED, incident_id)
    assert loaded.compute.instances["vm-late"].host != "cmp-1"


def test_fenced_host_that_is_switched_on_before_the_end_is_left_to_a_person(loaded: World) -> None:
    loaded.compute.full_hosts.update(loaded.hosts)
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")
    loaded.run_until(State.ESCALATED, incident_id)
    evacuations = len(loaded.compute.evacuated)
    loaded.driver.power["cmp-1"] = PowerState.ON
    loaded.break_host("cmp-1", frozenset())
    loaded.compute.full_hosts.clear()
    loaded.run(300.0)
    assert loaded.state(incident_id) is State.ESCALATED
    assert len(loaded.compute.evacuated) == evacuations


def test_escalated_host_that_is_given_back_and_loses_storage_later_is_another_incident(loaded: World) -> None:
    loaded.compute.full_hosts.update(loaded.hosts)
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")
    loaded.run_until(State.ESCALATED, incident_id)
    loaded.driver.power["cmp-1"] = PowerState.ON
    loaded.compute.restart_compute("cmp-1")
    loaded.compute.force_up("cmp-1")
    loaded.break_host("cmp-1", STORAGE)
    loaded.run_until(State.CLOSED, incident_id)
    again = loaded.call("cmp-1", STORAGE)
    assert again != incident_id
    loaded.run(29.0)
    assert loaded.driver.power["cmp-1"] is PowerState.ON


def test_host_whose_recovery_is_doubted_and_that_was_given_back_settles_anew(loaded: World) -> None:
    """Another engine takes over between forcing down and evacuating; a person gave the host back meanwhile."""
    loaded.compute.faults[Verb.LIST_INSTANCES] = [_away(Verb.LIST_INSTANCES)]
    loaded.break_host("cmp-1")
    incident_id = loaded.call("cmp-1")
    loaded.run_until(State.FORCED_DOWN, incident_id)
    loaded.driver.power["cmp-1"] = PowerState.ON
    loaded.compute.force_up("cmp-1")
    loaded.break_host("cmp-1", STORAGE)
    loaded.start_engine()
    loaded.run(29.0)
    assert loaded.driver.power["cmp-1"] is PowerState.ON
    loaded.run_until(State.RECOVERED, incident_id)
    assert not loaded.compute.broken_promises


def test_left_out_fencing_names_itself_in_the_evidence(loaded: World) -> None:
    loaded.lab_skip_fencing = True
    loaded.start_engine()
    loaded.break_host("cmp-1")
    incident = loaded.run_until(State.RECOVERED, loaded.call("cmp-1"))
    assert incident.evidence is not None
    assert incident.evidence.method == LAB_METHOD
    assert not incident.evidence.is_proof
    assert loaded.compute.broken_promises  # The checker sees what is left out.


def test_host_without_instances_is_recovered_too(world: World) -> None:
    world.break_host("cmp-5")
    world.run_until(State.RECOVERED, world.call("cmp-5"), seconds=10.0)


def _away(verb: Verb) -> EvacuationError:
    return EvacuationError("the API cannot be reached", stage=verb, server="cmp-1", is_retriable=True)
