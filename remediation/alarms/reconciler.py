"""What must change in Aodh so that it equals the matrix. Pure.

Only alarms that carry both of our marks are changed or deleted. One that has our prefix but not our description is a
stranger's: it is left alone and mentioned.
"""

import dataclasses
from collections.abc import Sequence

from remediation.alarms.destination import redact
from remediation.alarms.model import EVENT_KIND, EventAlarm, StoredAlarm


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """Alarm `stored` becomes `wanted`; `fields` names what differs."""

    stored: StoredAlarm
    wanted: EventAlarm
    fields: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What to create, update and delete, in this order, so that no row is without its alarm meanwhile.

    `equal` counts alarms that are right already; `strangers` have our prefix and are not ours.
    """

    create: tuple[EventAlarm, ...]
    update: tuple[Change, ...]
    delete: tuple[StoredAlarm, ...]
    equal: int
    strangers: tuple[StoredAlarm, ...]

    @property
    def is_empty(self) -> bool:
        """Whether Aodh equals the matrix already."""
        return not (self.create or self.update or self.delete)

    def lines(self) -> tuple[str, ...]:
        """Return the plan as a person reads it; credentials are hidden."""
        lines = [f"+ {alarm.name}  ({alarm.severity}, calls {_shown(alarm)})" for alarm in self.create]
        lines += [f"~ {change.wanted.name}  ({', '.join(change.fields)})" for change in self.update]
        lines += [f"- {stored.alarm.name}  (alarm {stored.alarm_id})" for stored in self.delete]
        lines += [
            f"! {stored.alarm.name}  (alarm {stored.alarm_id} has our prefix but was not made by us; left alone)"
            for stored in self.strangers
        ]
        return tuple(lines)


def plan(wanted: Sequence[EventAlarm], stored: Sequence[StoredAlarm]) -> Plan:
    """Return what makes `stored`, everything Aodh has in our project, hold exactly `wanted`."""
    assert len({alarm.name for alarm in wanted}) == len(wanted)
    assert all(alarm.is_ours for alarm in wanted)
    ours: dict[str, list[StoredAlarm]] = {}
    strangers = []
    for one in sorted(stored, key=lambda one: one.alarm_id):
        if one.alarm.is_ours:
            ours.setdefault(one.alarm.name, []).append(one)
        elif any(one.alarm.name == alarm.name for alarm in wanted):
            strangers.append(one)
    create, update, delete, equal = [], [], [], 0
    for alarm in wanted:
        # An alarm of another type cannot be turned into an event alarm: it goes, and a new one comes.
        candidates = ours.pop(alarm.name, [])
        kept = next((one for one in candidates if one.kind == EVENT_KIND), None)
        delete += [one for one in candidates if one is not kept]
        if kept is None:
            create.append(alarm)
        elif fields := differences(alarm, kept.alarm):
            update.append(Change(kept, alarm, fields))
        else:
            equal += 1
    delete += [one for candidates in ours.values() for one in candidates]
    return Plan(tuple(create), tuple(update), tuple(delete), equal, tuple(strangers))


def differences(wanted: EventAlarm, stored: EventAlarm) -> tuple[str, ...]:
    """Return the names of the fields in which the two differ."""
    names = [field.name for field in dataclasses.fields(EventAlarm)]
    return tuple(name for name in names if getattr(wanted, name) != getattr(stored, name))


def _shown(alarm: EventAlarm) -> str:
    return ", ".join(redact(url) for url in alarm.actions)
