"""What is needed of Aodh."""

from collections.abc import Sequence
from typing import Protocol

from remediation.alarms.model import EventAlarm, StoredAlarm


class Alarms(Protocol):
    """The alarms of one project. Every method raises AlarmError when Aodh refuses or cannot be asked."""

    def stored(self) -> Sequence[StoredAlarm]:
        """Return every alarm of the project, of whatever type and owner."""

    def create(self, alarm: EventAlarm) -> None:
        """Create `alarm`."""

    def update(self, alarm_id: str, alarm: EventAlarm) -> None:
        """Make the event alarm `alarm_id` equal to `alarm`."""

    def delete(self, alarm_id: str) -> None:
        """Delete an alarm; one that is gone already is no error."""
