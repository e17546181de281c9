"""The planner: never two evacuations of one instance at a time, bounded, verified, with reasons."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remediation.evacuation import planner
from remediation.evacuation.errors import EvacuationError, Stage
from remediation.evacuation.fake import FakeCompute
from remediation.evacuation.planner import Phase, PlanSettings, Record
from remediation.evacuation.port import Instance, Migration

SETTINGS = PlanSettings(parallel=2, attempts=3, timeout=60.0, backoff=2.0, backoff_max=5.0, uncertain_wait=20.0)


def instance(**changes):
    fields = {"id": "i-1", "name": "web", "status": "ACTIVE", "task_state": None, "power_state": 1, "host": "cmp-1"}
    return Instance(**{**fields, **changes})


def migration(number=1, state="accepted", **changes):
    fields = {"id": number, "instance_id": "i-1", "kind": "evacuation", "state": state, "source": "cmp-1"}
    return Migration(**{**fields, **changes})


def record(phase=Phase.IN_FLIGHT, **changes):
    fields = {"instance_id": "i-1", "name": "web", "source": "cmp-1", "was": "ACTIVE", "phase": phase, "attempts": 1}
    return Record(**{**fields, **changes})


def refusal(*, is_retriable=True, is_uncertain=False):
    return EvacuationError(
        "Nova says no", stage=Stage.EVACUATE, server="i-1", is_retriable=is_retriable, is_uncertain=is_uncertain
    )


def observe(before, seen, migrations=(), now=1.0):
    return planner.observe(before, seen, migrations, SETTINGS, now)


class Engine:
    """The loop of the planner's docstring over a fake Nova, on a clock of its own."""

    def __init__(self, nova, host="cmp-1", plan_settings=SETTINGS):
        self.nova, self.host, self.settings = nova, host, plan_settings
        self.now = 1000.0
        self.records = list(planner.begin(host, nova.list_instances(host), nova.list_migrations(source=host), self.now))

    def step(self):
        for chosen in planner.choose(self.records, self.settings, self.now):
            asked = planner.calling(chosen, self.settings, self.now)
            self.store(asked)
            try:
                self.nova.evacuate(asked.instance_id)
            except EvacuationError as error:
                self.store(planner.refused(asked, error, self.settings, self.now))
            else:
                self.store(planner.accepted(asked))
        for waiting in planner.to_stop(self.records):
            try:
                self.nova.stop(waiting.instance_id)
            except EvacuationError as error:
                self.store(planner.stop_refused(waiting, error))
            else:
                self.store(planner.stop_asked(waiting, self.now))
        for looked_at in planner.to_observe(self.records):
            migrations = self.nova.list_migrations(instance_id=looked_at.instance_id)
            seen = self.nova.get_instance(looked_at.instance_id)
            self.store(planner.observe(looked_at, seen, migrations, self.settings, self.now))
        self.now += 1.0

    def crash(self, seconds):
        """Another engine takes over from what was stored, on a clock that has nothing to do with ours."""
        self.now = self.now * 7 + seconds
        stored = [one.to_json() for one in self.records]
        self.records = [planner.resume(Record.from_json(text), self.settings, self.now) for text in stored]

    def run(self, steps=400):
        for _ in range(steps):
            if planner.is_finished(self.records):
                return
            self.step()
            self.nova.finish_all()
        raise AssertionError(f"not finished: {planner.describe(self.records)}")

    def store(self, changed):
        places = [index for index, one in enumerate(self.records) if one.instance_id == changed.instance_id]
        self.records[places[0]] = changed


def fenced_cloud(count=3, hosts=("cmp-1", "cmp-2", "cmp-3"), **options):
    nova = FakeCompute(hosts, **options)
    for number in range(count):
        nova.add_instance(f"i-{number}", hosts[0])
    nova.force_down(hosts[0])
    return nova


def test_every_instance_of_the_host_comes_back_elsewhere_in_the_state_it_had():
    nova = fenced_cloud(3)
    nova.add_instance("i-off", "cmp-1", status="SHUTOFF")
    nova.add_instance("i-error", "cmp-1", status="ERROR")
    nova.add_instance("i-other", "cmp-2")
    engine = Engine(nova)

    engine.run()

    assert {one.instance_id: one.phase for one in engine.records} == dict.fromkeys(
        ["i-0", "i-1", "i-2", "i-error", "i-off"], Phase.DONE
    )
    assert all(one.destination in ("cmp-2", "cmp-3") for one in engine.records)
    assert nova.instances["i-off"].status == "SHUTOFF"
    assert nova.instances["i-error"].status == "ACTIVE"
    assert nova.wedged == set()
    assert planner.describe(engine.records) == "of 5 instances: 5 done"


def test_no_more_than_the_allowed_number_are_in_flight():
    nova = fenced_cloud(5)
    engine = Engine(nova)

    engine.step()
    engine.step()

    assert [subject for verb, subject in nova.calls if verb == "evacuate"] == ["i-0", "i-1"]


def test_call_whose_answer_was_lost_is_not_made_again_while_it_is_in_flight():
    nova = fenced_cloud(1)
    nova.lost[Stage.EVACUATE] = 1
    engine = Engine(nova)

    for _ in range(50):
        engine.step()
    nova.finish_all()
    engine.run()

    assert nova.wedged == set()
    assert [verb for verb, _ in nova.calls].count("evacuate") == 1
    assert engine.records[0].phase is Phase.DONE


def test_call_that_never_arrived_is_made_again_after_the_wait_and_not_before():
    nova = fenced_cloud(1)
    nova.faults[Stage.EVACUATE] = [refusal(is_uncertain=True)]
    engine = Engine(nova)

    engine.step()
    while engine.now < 1000.0 + SETTINGS.uncertain_wait:
        engine.step()
        assert [verb for verb, _ in nova.calls].count("evacuate") == 1
    engine.run()

    assert engine.records[0].phase is Phase.DONE
    assert engine.records[0].attempts == 2


def test_engine_that_dies_between_intent_and_answer_is_taken_over_without_a_second_call():
    nova = fenced_cloud(1)
    engine = Engine(nova)
    # The intent is stored, Nova accepts, and the engine dies before it hears of it.
    engine.store(planner.calling(engine.records[0], SETTINGS, engine.now))
    nova.evacuate("i-0")

    engine.crash(5.0)
    for _ in range(10):
        engine.step()
    engine.run()

    assert nova.wedged == set()
    assert engine.records[0].phase is Phase.DONE


def test_no_valid_host_is_tried_again_later_and_then_succeeds():
    nova = fenced_cloud(1)
    nova.full_hosts = {"cmp-2", "cmp-3"}
    engine = Engine(nova)
    engine.step()
    nova.finish_all()
    engine.step()
    assert engine.records[0].phase is Phase.WAITING
    assert "No valid host" in engine.records[0].reason
    nova.full_hosts = set()

    engine.run()

    assert engine.records[0].phase is Phase.DONE


def test_attempts_are_bounded_and_the_reason_is_told():
    nova = fenced_cloud(1)
    nova.full_hosts = {"cmp-2", "cmp-3"}
    engine = Engine(nova)

    engine.run()

    assert engine.records[0].phase is Phase.FAILED
    assert engine.records[0].attempts == SETTINGS.attempts
    assert "given up after 3 attempts" in engine.records[0].reason
    assert "No valid host" in planner.describe(engine.records)


def test_instance_that_was_off_and_came_back_running_is_stopped_again():
    # Nova starts an instance whose evacuation is repeated from ERROR.
    nova = fenced_cloud(0)
    nova.add_instance("i-off", "cmp-1", status="SHUTOFF")
    nova.full_hosts = {"cmp-2", "cmp-3"}
    engine = Engine(nova)
    engine.step()
    nova.finish_all()
    nova.full_hosts = set()

    engine.run()

    assert engine.records[0].phase is Phase.DONE
    assert nova.instances["i-off"].status == "SHUTOFF"
    assert ("stop", "i-off") in nova.calls


def test_wedged_instance_is_given_to_a_person_and_never_asked_for_again():
    nova = fenced_cloud(1)
    engine = Engine(nova)
    engine.step()
    nova.evacuate("i-0")  # A person, at the same time.
    nova.finish_all()

    engine.run()

    assert engine.records[0].phase is Phase.FAILED
    assert "not back after 60 s" in engine.records[0].reason
    assert [verb for verb, _ in nova.calls].count("evacuate") == 2


def test_instance_in_flight_at_the_start_is_watched_and_not_asked_for():
    nova = fenced_cloud(2)
    nova.evacuate("i-0")
    engine = Engine(nova)

    assert [one.phase for one in engine.records] == [Phase.IN_FLIGHT, Phase.WAITING]
    engine.run()

    assert nova.wedged == set()
    assert [one.phase for one in engine.records] == [Phase.DONE, Phase.DONE]


def test_old_records_of_an_earlier_evacuation_do_not_count():
    old = [migration(3, "completed"), migration(4, "error"), migration(5, "done")]

    (begun,) = planner.begin("cmp-1", [instance()], old, 0.0)
    after = observe(planner.accepted(planner.calling(begun, SETTINGS, 0.0)), instance(), old)

    assert (begun.phase, begun.known_migration) == (Phase.WAITING, 5)
    assert after.phase is Phase.IN_FLIGHT


@pytest.mark.parametrize("gone", [None, instance(status="DELETED"), instance(task_state="deleting")])
def test_instance_that_was_deleted_is_skipped(gone):
    assert observe(record(), gone).phase is Phase.SKIPPED


def test_instance_that_was_deleted_before_the_call_arrived_is_skipped_and_not_failed():
    nova = fenced_cloud(1)
    engine = Engine(nova)
    del nova.instances["i-0"]

    engine.run()

    assert engine.records[0].phase is Phase.SKIPPED


def test_instance_that_somebody_else_moved_before_the_call_arrived_is_done():
    nova = fenced_cloud(1)
    engine = Engine(nova)
    nova.instances["i-0"] = dataclasses.replace(nova.instances["i-0"], host="cmp-2")

    engine.run()

    assert (engine.records[0].phase, engine.records[0].destination) == (Phase.DONE, "cmp-2")


def test_instance_that_is_being_deleted_at_the_start_is_skipped():
    (begun,) = planner.begin("cmp-1", [instance(task_state="deleting")], [], 0.0)

    assert begun.phase is Phase.SKIPPED


ELSEWHERE = {"host": "cmp-2"}


@pytest.mark.parametrize(
    ("before", "seen", "migrations", "phase"),
    [
        # Elsewhere and idle, in the state it had.
        (record(), instance(**ELSEWHERE), [migration(state="done")], Phase.DONE),
        (record(was="SHUTOFF"), instance(status="SHUTOFF", **ELSEWHERE), [migration(state="done")], Phase.DONE),
        (record(Phase.CALLING), instance(**ELSEWHERE), [], Phase.DONE),
        (record(Phase.WAITING), instance(**ELSEWHERE), [], Phase.DONE),
        # Elsewhere, but not yet idle or not in the state it had.
        (record(), instance(status="REBUILD", task_state="rebuild_spawning", **ELSEWHERE), [], Phase.IN_FLIGHT),
        (record(was="SHUTOFF"), instance(task_state="powering-off", **ELSEWHERE), [], Phase.IN_FLIGHT),
        (record(was="SHUTOFF"), instance(**ELSEWHERE), [], Phase.RESTORING),
        (record(), instance(status="SHUTOFF", **ELSEWHERE), [], Phase.IN_FLIGHT),
        (record(), instance(status="ERROR", **ELSEWHERE), [], Phase.FAILED),
        # Still there.
        (record(), instance(status="REBUILD", task_state="rebuilding"), [migration()], Phase.IN_FLIGHT),
        (record(), instance(status="REBUILD"), [migration(state="error")], Phase.IN_FLIGHT),
        (record(), instance(), [migration(state="pre-migrating")], Phase.IN_FLIGHT),
        (record(), instance(), [migration(state="a state of tomorrow")], Phase.IN_FLIGHT),
        (record(), instance(status="ERROR"), [migration(state="error")], Phase.WAITING),
        (record(attempts=3), instance(status="ERROR"), [migration(state="error")], Phase.FAILED),
        # Read at the wrong moment: the record is newer than the instance.
        (record(), instance(), [migration(state="done")], Phase.IN_FLIGHT),
        # Of another instance, another kind or another host: not ours.
        (record(next_at=9.0), instance(), [migration(instance_id="i-2", state="error")], Phase.IN_FLIGHT),
        (record(next_at=9.0), instance(), [migration(kind="live-migration", state="error")], Phase.IN_FLIGHT),
        (record(next_at=9.0), instance(), [migration(source="cmp-7", state="error")], Phase.IN_FLIGHT),
        # Somebody else's call, while ours waits.
        (record(Phase.WAITING, attempts=0), instance(task_state="rebuilding"), [migration()], Phase.IN_FLIGHT),
        # Nothing to see: wait, then ask again.
        (record(Phase.CALLING, next_at=9.0), instance(), [], Phase.CALLING),
        (record(Phase.CALLING, next_at=1.0), instance(), [], Phase.WAITING),
        # Nova does not say where it is: no news.
        (record(Phase.CALLING, next_at=9.0), instance(host=""), [], Phase.CALLING),
    ],
)
def test_what_nova_shows_decides(before, seen, migrations, phase):
    assert observe(before, seen, migrations).phase is phase


def test_flight_that_lasts_too_long_is_given_to_a_person():
    flying = record(called_at=100.0)
    seen = instance(status="REBUILD", task_state="rebuilding")

    assert observe(flying, seen, [migration()], now=159.0).phase is Phase.IN_FLIGHT
    ended = observe(flying, seen, [migration()], now=160.0)

    assert ended.phase is Phase.FAILED
    assert "task rebuilding" in ended.reason


def test_pauses_grow_up_to_their_bound():
    pauses = []
    waiting = record(Phase.WAITING, attempts=0)
    many = dataclasses.replace(SETTINGS, attempts=6)
    for _ in range(5):
        waiting = planner.refused(planner.calling(waiting, many, 100.0), refusal(), many, 100.0)
        pauses.append(waiting.next_at - 100.0)

    assert pauses == [2.0, 4.0, 5.0, 5.0, 5.0]


def test_record_that_waits_is_not_chosen_before_its_time():
    waiting = record(Phase.WAITING, next_at=5.0)

    assert planner.choose([waiting], SETTINGS, 4.9) == ()
    assert planner.choose([waiting], SETTINGS, 5.0) == (waiting,)


def test_refusal_that_cannot_pass_is_not_tried_again():
    ended = planner.refused(record(Phase.CALLING), refusal(is_retriable=False), SETTINGS, 1.0)

    assert (ended.phase, ended.reason) == (Phase.FAILED, "Nova says no")


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.WAITING])
def test_call_is_only_made_for_an_instance_that_waits(phase):
    with pytest.raises(AssertionError, match="wedge"):
        planner.calling(record(phase), SETTINGS, 0.0)


def test_final_records_do_not_change():
    for phase in (Phase.DONE, Phase.FAILED, Phase.SKIPPED):
        assert observe(record(phase), None) == record(phase)


def test_stop_that_nova_refuses_for_good_is_told():
    restoring = record(Phase.RESTORING, was="SHUTOFF")

    assert planner.stop_refused(restoring, refusal()).phase is Phase.RESTORING
    assert "runs, but was off" in planner.stop_refused(restoring, refusal(is_retriable=False)).reason


def test_host_without_instances_is_finished_at_once():
    assert planner.is_finished(())
    assert planner.describe(()) == "the host had no instances"


@pytest.mark.parametrize(
    "change",
    [{"parallel": 0}, {"attempts": 0}, {"timeout": 0}, {"backoff": 9, "backoff_max": 8}, {"uncertain_wait": 0}],
)
def test_impossible_bounds_are_refused(change):
    with pytest.raises(ValueError, match="must be"):
        PlanSettings(**change)


EVENTS = st.lists(
    st.sampled_from(["lost", "fault", "uncertain", "crash", "full", "room", "finish", "idle"]), max_size=25
)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(0, 5), events=EVENTS)
def test_whatever_happens_nothing_is_wedged_and_everything_ends(count, events):
    nova = fenced_cloud(count)
    engine = Engine(nova)

    for event in events:
        if event == "lost":
            nova.lost[Stage.EVACUATE] = 1
        elif event in ("fault", "uncertain"):
            nova.faults.setdefault(Stage.EVACUATE, []).append(refusal(is_uncertain=event == "uncertain"))
        elif event == "crash":
            engine.crash(3.0)
        elif event == "full":
            nova.full_hosts = {"cmp-2", "cmp-3"}
        elif event == "room":
            nova.full_hosts = set()
        elif event == "finish":
            nova.finish_all()
        engine.step()
        in_flight = sum(one.task_state == "rebuilding" for one in nova.instances.values())
        assert in_flight <= SETTINGS.parallel
    nova.full_hosts = set()
    engine.run()

    assert nova.wedged == set()
    for one in engine.records:
        moved = nova.instances[one.instance_id].host != "cmp-1"
        assert (one.phase is Phase.DONE) == moved, one
