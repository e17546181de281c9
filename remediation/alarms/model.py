"""An event alarm, as we want it and as Aodh has it: the fields that the matrix decides, and no others."""

import dataclasses
from typing import Final

# Both mark an alarm as ours: an operator may well have an alarm of that name, or copy our description.
NAME_PREFIX: Final = "ceilo-gossip/"
DESCRIPTION_MARK: Final = "[ceilo-gossip matrix]"
EVENT_KIND: Final = "event"


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """One condition on an event; Aodh demands all of an alarm's together.

    `type` is never "boolean", which kills Aodh's listener, and never empty, which Aodh takes for "string".
    """

    field: str
    op: str
    type: str
    value: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EventAlarm:
    """What the matrix decides about one alarm.

    name, description  shown to people; their marks make the alarm ours
    severity           Aodh's low, moderate or critical
    event_type         which events are looked at
    query              all must hold; their order has no meaning
    actions            URLs called when it fires; they hold the webhook's password and so have no repr
    other_actions      URLs called in other states; ours has none
    repeat_actions     fire for each matching event, not only for the first one ever
    enabled            whether it fires at all
    time_constraints   how many there are; ours has none, a dead host is dead at night too
    """

    name: str
    description: str
    severity: str
    event_type: str
    query: frozenset[Query]
    actions: tuple[str, ...] = dataclasses.field(repr=False)
    other_actions: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    repeat_actions: bool = True
    enabled: bool = True
    time_constraints: int = 0

    @property
    def is_ours(self) -> bool:
        """Whether both marks are there."""
        return self.name.startswith(NAME_PREFIX) and self.description.startswith(DESCRIPTION_MARK)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlarm:
    """An alarm that Aodh has under `alarm_id`; `kind` is Aodh's type, of which only "event" is compared further."""

    alarm_id: str
    kind: str
    alarm: EventAlarm
