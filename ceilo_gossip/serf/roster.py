"""Who is and who was in the pool, with what each announced: Serf's view on top of SWIM's.

SWIM says whether a member answers; intents, ordered by Lamport time, say what it meant to do. Together:

    status      join intent   leave intent   SWIM: joined   SWIM: dead   SWIM: left
    ALIVE       -             LEAVING        ALIVE          FAILED       LEFT
    LEAVING     ALIVE         -              ALIVE          LEFT         LEFT
    FAILED      -             LEFT           ALIVE          -            -
    LEFT        -             -              ALIVE          -            -

An intent at or before the Lamport time of the status is old and changes nothing. A leave intent may say `prune`: then
the member is forgotten, and if we do not know yet that it is gone, as soon as we do. Deviations from Serf: it forgets
also a living member, six seconds later in which it does nothing else; and one that told SWIM good-bye without an intent
is LEFT, not FAILED, for it cannot have been silent when it said so.
Members stay listed long after SWIM has forgotten them, so that they can be dialled and asked about.
"""

import enum
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ceilo_gossip.serf.events import Event, MemberFailed, MemberLeft, MemberReaped
from ceilo_gossip.serf.member import Member
from ceilo_gossip.swim.answers import Answer
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.swim.table import MAX_MEMBERS, Record
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.serf_messages import JoinIntent, LeaveIntent
from ceilo_gossip.wire.tags import decode_tags

# Intents about members that we do not know yet; beyond it the oldest is dropped.
MAX_EARLY_INTENTS = 1024
# Bytes of the names in a state that we send, each of them once or, if it left, twice: 8,000 of 16 characters.
MAX_TOLD_LENGTH = 256 * 1024


class SerfStatus(enum.IntEnum):
    """Serf's statuses; the numbers are those of the conflict response."""

    ALIVE = 1
    LEAVING = 2
    LEFT = 3
    FAILED = 4


@dataclass(slots=True, eq=False)
class Entry:
    """One member. record: SWIM's, as of the last event about it. gone_at: since when it is FAILED or LEFT.

    last_answer: the last before it was gone. is_pruned: while LEAVING, that it is to be forgotten when it is gone.
    """

    record: Record
    status: SerfStatus
    status_ltime: int = 0
    gone_at: float | None = None
    last_answer: Answer | None = None
    is_pruned: bool = False

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def tags(self) -> Mapping[str, str]:
        """What the member announced."""
        return tags_in(self.record.meta)

    def view(self, record: Record | None, answer: Answer | None) -> Member:
        """What the layers above may see. record: SWIM's present one; None when SWIM has forgotten the member."""
        record = record or self.record
        answer = answer or self.last_answer
        state = record.state
        if self.status is SerfStatus.LEFT and record.is_gone:
            state = MemberState.LEFT
        return Member(
            name=record.name,
            address=record.address,
            tags=tags_in(record.meta),
            state=state,
            incarnation=record.incarnation,
            changed_at=record.changed_at,
            last_ack_at=None if answer is None else answer.asked_at,
            round_trip=None if answer is None else answer.round_trip,
            suspected_at=record.suspected_at,
        )


class Roster:
    """All members by name."""

    def __init__(self, own: Record) -> None:
        self._entries = {own.name: Entry(own, SerfStatus.ALIVE)}
        self._own_name = own.name
        self._early: dict[str, tuple[JoinIntent | LeaveIntent, float]] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        """All that are remembered, the gone included."""
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def get(self, name: str) -> Entry | None:
        return self._entries.get(name)

    @property
    def own(self) -> Entry:
        return self._entries[self._own_name]

    def told(self) -> list[Entry]:
        """Those that a push/pull tells of: all, as far as their names fit, those that announced something first."""
        entries = list(self)
        if sum(map(_length, entries)) <= MAX_TOLD_LENGTH:
            return entries
        left, told = MAX_TOLD_LENGTH, []
        for entry in sorted(entries, key=lambda entry: entry.status_ltime, reverse=True):
            left -= _length(entry)
            if left < 0:
                break
            told.append(entry)
        return told

    def join_intent(self, intent: JoinIntent, now: float) -> bool:
        """A member has announced its join; True when that is news to spread."""
        entry = self._entries.get(intent.member)
        if entry is None:
            return self._remember(intent, now)
        if intent.ltime <= entry.status_ltime:
            return False
        entry.status_ltime = intent.ltime
        if entry.status is SerfStatus.LEAVING:
            entry.status = SerfStatus.ALIVE
            entry.is_pruned = False
        return True

    def leave_intent(self, intent: LeaveIntent, now: float) -> tuple[bool, list[Event]]:
        """A leave has been announced (or declared by somebody else): whether it is news, and what changed."""
        entry = self._entries.get(intent.member)
        if entry is None:
            return self._remember(intent, now), []
        if intent.ltime <= entry.status_ltime:
            return False, []
        entry.status_ltime = intent.ltime
        events: list[Event] = []
        if entry.status is SerfStatus.ALIVE:
            entry.status = SerfStatus.LEAVING
        elif entry.status is SerfStatus.FAILED:
            entry.status = SerfStatus.LEFT
            events.append(MemberLeft(intent.member, now))
        entry.is_pruned = entry.is_pruned or intent.prune
        return True, events + self._prune(entry, now)

    def _prune(self, entry: Entry, now: float) -> list[Event]:
        """Forget a member that is gone, if that was asked for."""
        if not entry.is_pruned or entry.status is not SerfStatus.LEFT:
            return []
        del self._entries[entry.name]
        return [MemberReaped(entry.name, now)]

    def _remember(self, intent: JoinIntent | LeaveIntent, now: float) -> bool:
        """Keep the newest intent about a member that we have not met yet."""
        known = self._early.get(intent.member)
        if known is not None and intent.ltime <= known[0].ltime:
            return False
        if known is None and len(self._early) >= MAX_EARLY_INTENTS:
            self._early.pop(next(iter(self._early)))
        self._early[intent.member] = (intent, now)
        return True

    def joined(self, record: Record) -> None:
        """SWIM sees this member alive."""
        entry = self._entries.get(record.name)
        if entry is not None:
            entry.record = record
            entry.status = SerfStatus.ALIVE
            entry.gone_at = None
            entry.is_pruned = False
            return
        if len(self._entries) >= MAX_MEMBERS:
            self._drop_longest_gone()
        entry = Entry(record, SerfStatus.ALIVE)
        early = self._early.pop(record.name, None)
        if early is not None:
            entry.status_ltime = early[0].ltime
            if isinstance(early[0], LeaveIntent):
                entry.status = SerfStatus.LEAVING
                entry.is_pruned = early[0].prune
        self._entries[record.name] = entry

    def _drop_longest_gone(self) -> None:
        """Make room. SWIM lists fewer living members than fit, so one that is gone can be found."""
        gone = [entry for entry in self if entry.gone_at is not None]
        if gone:
            oldest = min(gone, key=lambda entry: entry.gone_at or 0.0)
            del self._entries[oldest.name]

    def updated(self, record: Record) -> None:
        """SWIM believes something else of a member."""
        entry = self._entries.get(record.name)
        if entry is not None:
            entry.record = record

    def gone(self, event: MemberFailed | MemberLeft, record: Record, answer: Answer | None) -> list[Event]:
        """SWIM has lost this member: what that means, given what it had announced."""
        entry = self._entries.get(event.name)
        if entry is None:
            return [event]
        entry.record = record
        entry.last_answer = answer
        entry.gone_at = event.at
        if isinstance(event, MemberLeft) or entry.status in (SerfStatus.LEAVING, SerfStatus.LEFT):
            entry.status = SerfStatus.LEFT
            return [MemberLeft(event.name, event.at), *self._prune(entry, event.at)]
        entry.status = SerfStatus.FAILED
        return [event]

    def reap(self, now: float, *, failed_for: float, left_for: float, intent_for: float) -> list[Event]:
        """Forget who has been gone for too long, and intents whose member never came."""
        events: list[Event] = []
        for name, entry in list(self._entries.items()):
            kept_for = failed_for if entry.status is SerfStatus.FAILED else left_for
            if entry.gone_at is not None and name != self._own_name and now - entry.gone_at > kept_for:
                del self._entries[name]
                events.append(MemberReaped(name, now))
        self._early = {name: early for name, early in self._early.items() if now - early[1] <= intent_for}
        return events


@functools.lru_cache(maxsize=1024)
def _length(entry: Entry) -> int:
    """Bytes that a name and its Lamport time take at most."""
    return 12 + len(entry.name) * (1 if entry.name.isascii() else 4)


def tags_in(meta: bytes) -> Mapping[str, str]:
    """The tags that a meta holds, read only when somebody asks; a meta that is none of Serf's holds none."""
    try:
        return MappingProxyType(decode_tags(meta))
    except WireError:
        return MappingProxyType({})
