"""Plans: what is created, updated, deleted, and what is never touched."""

import dataclasses

from remediation.alarms import compiler
from remediation.alarms.apply import apply
from remediation.alarms.destination import Destination
from remediation.alarms.memory import MemoryAlarms
from remediation.alarms.model import EventAlarm, StoredAlarm
from remediation.alarms.reconciler import plan
from tests.support.matrices import shipped_matrix

WANTED = compiler.compile_matrix(shipped_matrix(), Destination("https://h:8780", "aodh", "tell-nobody"))
FIRST = WANTED[0]


def stored(alarm: EventAlarm, *, alarm_id: str = "a-1", kind: str = "event") -> StoredAlarm:
    return StoredAlarm(alarm_id=alarm_id, kind=kind, alarm=alarm)


def everything() -> list[StoredAlarm]:
    return [stored(alarm, alarm_id=f"a-{number}") for number, alarm in enumerate(WANTED)]


def test_empty_aodh_gets_every_alarm() -> None:
    planned = plan(WANTED, [])
    assert planned.create == WANTED
    assert (planned.update, planned.delete, planned.equal) == ((), (), 0)


def test_equal_aodh_needs_nothing() -> None:
    planned = plan(WANTED, everything())
    assert planned.is_empty
    assert planned.equal == len(WANTED)


def test_changed_fields_are_named() -> None:
    changed = dataclasses.replace(
        FIRST, enabled=False, repeat_actions=False, severity="low", other_actions=("http://x",), time_constraints=1
    )
    (change,) = plan([FIRST], [stored(changed)]).update
    assert set(change.fields) == {"enabled", "repeat_actions", "severity", "other_actions", "time_constraints"}
    assert change.wanted == FIRST


def test_new_password_is_an_update_that_does_not_show_it() -> None:
    old = compiler.compile_matrix(shipped_matrix(), Destination("https://h:8780", "aodh", "former-one"))
    planned = plan(WANTED, [stored(alarm, alarm_id=alarm.name) for alarm in old])
    assert {change.fields for change in planned.update} == {("actions",)}
    assert len(planned.update) == len(WANTED)


def test_nothing_that_a_plan_prints_holds_a_password() -> None:
    old = dataclasses.replace(FIRST, actions=("https://aodh:former-one@h/",))
    planned = plan(WANTED, [stored(old), stored(dataclasses.replace(old, name="ceilo-gossip/gone"), alarm_id="a-2")])
    assert planned.create
    assert planned.update
    assert planned.delete
    text = "\n".join(planned.lines()) + repr(planned)
    assert "https://***@h:8780/v1/alarm?row=" in text
    assert "tell-nobody" not in text
    assert "former-one" not in text


def test_alarm_of_a_row_that_is_gone_is_deleted() -> None:
    gone = stored(dataclasses.replace(FIRST, name="ceilo-gossip/former-row"))
    assert plan([], [gone]).delete == (gone,)


def test_alarm_without_both_marks_is_never_touched() -> None:
    strangers = [
        stored(dataclasses.replace(FIRST, description="mine"), alarm_id="a-1"),
        stored(dataclasses.replace(FIRST, name="cpu"), alarm_id="a-2"),
        stored(dataclasses.replace(FIRST, name="cpu", description="cpu"), alarm_id="a-3", kind="composite"),
        stored(dataclasses.replace(FIRST, name="ceilo-gossip/mine", description="mine"), alarm_id="a-4"),
    ]
    planned = plan(WANTED, strangers)
    assert planned.create == WANTED
    assert (planned.update, planned.delete) == ((), ())
    assert planned.strangers == (strangers[0],)
    assert any("was not made by us; left alone" in line for line in planned.lines())


def test_second_alarm_of_the_same_name_is_deleted() -> None:
    planned = plan([FIRST], [stored(FIRST, alarm_id="a-2"), stored(FIRST, alarm_id="a-1")])
    assert planned.equal == 1
    assert [one.alarm_id for one in planned.delete] == ["a-2"]


def test_alarm_of_another_type_is_replaced() -> None:
    composite = stored(FIRST, alarm_id="a-1", kind="composite")
    planned = plan([FIRST], [composite])
    assert planned.create == (FIRST,)
    assert planned.delete == (composite,)


def test_applying_makes_aodh_equal_and_applying_again_does_nothing() -> None:
    stranger = stored(dataclasses.replace(FIRST, description="mine"), alarm_id="s-1")
    wrong = stored(dataclasses.replace(WANTED[1], enabled=False), alarm_id="w-1")
    gone = stored(dataclasses.replace(FIRST, name="ceilo-gossip/former-row"), alarm_id="g-1")
    aodh = MemoryAlarms([stranger, wrong, gone])
    carried_out, missing = apply(WANTED, aodh)
    assert (len(carried_out.create), len(carried_out.update), len(carried_out.delete)) == (len(WANTED) - 1, 1, 1)
    assert missing.is_empty
    assert stranger in aodh.stored()
    again, _ = apply(WANTED, aodh)
    assert again.is_empty


def test_verification_notices_an_aodh_that_forgets() -> None:
    class Forgetful(MemoryAlarms):
        def create(self, alarm: EventAlarm) -> None:
            super().create(dataclasses.replace(alarm, repeat_actions=False))

    _, missing = apply(WANTED, Forgetful())
    assert {change.fields for change in missing.update} == {("repeat_actions",)}
    assert len(missing.update) == len(WANTED)
