"""The fake beside the port: alarms in memory, with Aodh's manners."""

import itertools
from collections.abc import Sequence

from remediation.alarms.errors import AlarmError
from remediation.alarms.model import EVENT_KIND, EventAlarm, StoredAlarm


class MemoryAlarms:
    """Keeps alarms in memory. `refusal`, when set, is what every change is answered with."""

    def __init__(self, alarms: Sequence[StoredAlarm] = ()) -> None:
        self._alarms = {one.alarm_id: one for one in alarms}
        self._ids = (f"alarm-{number}" for number in itertools.count(1))
        self.refusal: str | None = None

    def stored(self) -> Sequence[StoredAlarm]:
        """Return every alarm."""
        return tuple(self._alarms.values())

    def create(self, alarm: EventAlarm) -> None:
        """Create `alarm`; like Aodh, a second one of the same name is accepted."""
        self._check()
        alarm_id = next(self._ids)
        self._alarms[alarm_id] = StoredAlarm(alarm_id=alarm_id, kind=EVENT_KIND, alarm=alarm)

    def update(self, alarm_id: str, alarm: EventAlarm) -> None:
        """Replace alarm `alarm_id`."""
        self._check()
        if alarm_id not in self._alarms:
            raise AlarmError(f"Aodh has no alarm {alarm_id}")
        self._alarms[alarm_id] = StoredAlarm(alarm_id=alarm_id, kind=EVENT_KIND, alarm=alarm)

    def delete(self, alarm_id: str) -> None:
        """Delete alarm `alarm_id`, if it is there."""
        self._check()
        self._alarms.pop(alarm_id, None)

    def _check(self) -> None:
        if self.refusal is not None:
            raise AlarmError(self.refusal)
