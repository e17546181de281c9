"""The timeline of an incident: what happened when, in wall-clock time, for people to read.

No decision compares these instants.
"""

import dataclasses
import enum
from typing import Final


class Stage(enum.StrEnum):
    """What an entry of a timeline is about."""

    FIRST_SUSPICION = "first_suspicion"  # A member first doubted the host.
    VERDICT = "verdict"  # A speaker concluded that the host is bad.
    EVENT = "event"  # The notification left.
    WEBHOOK = "webhook"  # Aodh's call reached us.
    CONFIRMED = "confirmed"  # The electorate confirmed the matrix row that is acted on.
    HELD = "held"
    ALERT = "alert"  # A person should look; the matrix asks for no more, or allows no more.
    SCHEDULING_DISABLED = "scheduling_disabled"
    SCHEDULING_ENABLED = "scheduling_enabled"
    FENCE_REQUESTED = "fence_requested"
    FENCE_EVIDENCE = "fence_evidence"
    FORCED_DOWN = "forced_down"
    EVACUATION_PLANNED = "evacuation_planned"
    EVACUATE_ACCEPTED = "evacuate_accepted"  # The first one; further ones are notes.
    FIRST_ACTIVE = "first_active"
    LAST_ACTIVE = "last_active"
    RECOVERED = "recovered"
    DISMISSED = "dismissed"
    ESCALATED = "escalated"
    CLOSED = "closed"
    FAULT = "fault"  # The world refused a step; it is tried again.
    NOTE = "note"


# Stages whose first instant is what people measure by; a step that is done again is written down as a note.
ONCE: Final = frozenset(
    {
        Stage.FIRST_SUSPICION,
        Stage.VERDICT,
        Stage.EVENT,
        Stage.WEBHOOK,
        Stage.CONFIRMED,
        Stage.FENCE_REQUESTED,
        Stage.FENCE_EVIDENCE,
        Stage.FORCED_DOWN,
        Stage.EVACUATE_ACCEPTED,
        Stage.FIRST_ACTIVE,
    }
)
MAX_TEXT_LENGTH: Final = 4000  # What one entry may hold; the rest is cut. Bounds the database.


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One line: `at` is ISO 8601 in UTC, `text` one sentence for an operator."""

    at: str
    stage: Stage
    text: str
