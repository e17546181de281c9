"""Carrying a plan out: create, update, delete; then read back and compare, because an answer is not yet a fact."""

from collections.abc import Sequence

from remediation.alarms import reconciler
from remediation.alarms.model import EventAlarm
from remediation.alarms.port import Alarms
from remediation.alarms.reconciler import Plan


def apply(wanted: Sequence[EventAlarm], alarms: Alarms) -> tuple[Plan, Plan]:
    """Make Aodh equal to `wanted`. Return the plan that was carried out and what is still missing afterwards.

    The second plan is empty when the verification succeeded. Raises AlarmError at the first refusal; what was done
    until then stays, and applying again goes on from there.
    """
    planned = reconciler.plan(wanted, alarms.stored())
    for alarm in planned.create:
        alarms.create(alarm)
    for change in planned.update:
        alarms.update(change.stored.alarm_id, change.wanted)
    for stored in planned.delete:
        alarms.delete(stored.alarm_id)
    return planned, reconciler.plan(wanted, alarms.stored())
