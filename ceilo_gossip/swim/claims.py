"""What is believed of each member: the one place where a record's state and incarnation change.

A claim is a statement about a member, by itself or by another. The rules, from memberlist:

* alive needs a strictly higher incarnation than the one known; suspect and dead need an equal or higher one.
* Only a member raises its own incarnation. Accused itself, it refutes with a higher one, until it has left.
* A suspicion that runs out is death. Hearsay of a death (in a push/pull) only starts a suspicion.
* A death told by another is believed once our own suspicion is half as old as it must at least become; until then it
  is one more accuser. Deviation: memberlist believes it at once, so that a member back from a partition, which gave up
  everybody it could not reach, has healthy members declared failed all over the pool until they refute.
* A name belongs to the address it was seen at until it has left in good order, has been dead for `reclaim_after`, or
  is forgotten.

    from        alive claim          suspect claim     dead claim            suspicion runs out
    unknown     ALIVE, joined        -                 -
    ALIVE       ALIVE                SUSPECT           SUSPECT, LEFT if own
    SUSPECT     ALIVE, refuted       confirmed         DEAD if doubted long  DEAD
                                                       enough, LEFT if own
    DEAD, LEFT  ALIVE, joined        -                 -

Beyond memberlist: a member whose version vector would make peers refuse every exchange is never stored. And a claim of
the last incarnation (MAX_INCARNATION), which no honest member reaches, cannot be outdone by its victim: so about such a
one nobody's word counts but our own pings. Whatever is said of it is a doubt, and it lives if it answers us meanwhile.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import replace

from ceilo_gossip.swim.awareness import Awareness
from ceilo_gossip.swim.broadcasts import BroadcastQueue
from ceilo_gossip.swim.events import (
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberRefuted,
    MemberSuspected,
    MemberUpdated,
    NameClaimed,
    SwimEvent,
)
from ceilo_gossip.swim.newcomers import CROWDED, Newcomers
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.swim.suspicion import suspicion_bounds
from ceilo_gossip.swim.suspicions import Suspicions
from ceilo_gossip.swim.table import Record, Table
from ceilo_gossip.wire.address import Address, raw_to_host
from ceilo_gossip.wire.checks import MAX_INCARNATION, is_compatible
from ceilo_gossip.wire.codec import encode
from ceilo_gossip.wire.messages import Alive, Dead, Suspect


class Claims:
    """Weigh claims, keep the table true, spread what is new."""

    def __init__(
        self,
        settings: SwimSettings,
        table: Table,
        awareness: Awareness,
        broadcasts: BroadcastQueue,
        events: deque[SwimEvent],
        counters: Counter[str],
    ) -> None:
        self._settings = settings
        self._table = table
        self._awareness = awareness
        self._broadcasts = broadcasts
        self._events = events
        self._counters = counters
        self._suspicions = Suspicions()
        self._newcomers = Newcomers(counters)
        self._to_ask: dict[str, Record] = {}
        self.has_left = False

    def alive(self, claim: Alive, now: float, *, source: str, is_there: bool = False) -> None:
        """Somebody says that a member lives.

        source: the host that it came from. is_there: it came over a stream from that member's own host.
        """
        if not is_compatible(claim.version):
            self._counters["incompatible_versions"] += 1
            return
        if claim.member == self._table.own_name:
            self._alive_about_us(claim, now)
            return
        # Incarnation 0 is nobody's: members start at 1.
        if claim.incarnation == 0:
            return
        record = self._table.get(claim.member)
        if record is None:
            self._meet(claim, now, source=source, is_there=is_there)
        elif (claim.raw_host, claim.port) != (record.raw_host, record.port):
            if self._is_free(record, now):
                self._revive(record, claim, now)
            else:
                self._counters["address_conflicts"] += 1
        elif claim.incarnation > record.incarnation:
            self._revive(record, claim, now)

    def _is_free(self, record: Record, now: float) -> bool:
        """Whether another address may take this name over; then it begins anew, at whatever incarnation."""
        reclaim_after = self._settings.reclaim_after
        if record.state is MemberState.DEAD:
            return 0 < reclaim_after < now - record.changed_at
        return record.state is MemberState.LEFT

    def _meet(self, claim: Alive, now: float, *, source: str, is_there: bool) -> None:
        """A member that we have never heard of, or have forgotten."""
        members = len(self._table)
        is_vouched_for = members >= CROWDED and self._table.has_answered_from(source)
        if not self._newcomers.is_admitted(
            claim, now, members=members, is_there=is_there, is_vouched_for=is_vouched_for
        ):
            for newcomer in self._newcomers.take_to_ask():
                self._to_ask[newcomer.member] = _living(newcomer, now)
            return
        self._table.add(_living(claim, now))
        self._broadcasts.push(encode(claim), about=claim.member, not_to=claim.member)
        self._events.append(MemberJoined(claim.member, now))

    def _revive(self, record: Record, claim: Alive, now: float) -> None:
        """A newer statement that this member lives is believed."""
        self._suspicions.end(record.name)
        is_news = record.state is not MemberState.ALIVE
        self._table.put(_living(claim, now if is_news else record.changed_at))
        self._broadcasts.push(encode(claim), about=record.name, not_to=record.name)
        if record.is_gone:
            self._events.append(MemberJoined(record.name, now))
            return
        if is_news:
            self._events.append(MemberRefuted(record.name, now))
        if record.meta != claim.meta:
            self._events.append(MemberUpdated(record.name, now))

    def _alive_about_us(self, claim: Alive, now: float) -> None:
        own = self._table.own
        if self.has_left:
            return
        if (claim.raw_host, claim.port) != (own.raw_host, own.port):
            # Another host uses our name. Which of the two is right is not for gossip to decide, and no incarnation.
            self._counters["address_conflicts"] += 1
            address = Address(raw_to_host(claim.raw_host), claim.port)
            if address != own.address:
                # The other raw form of our own address is an old self, not another host.
                self._events.append(NameClaimed(address, now))
            return
        if claim.incarnation < own.incarnation:
            return
        is_ours = (claim.meta, claim.version) == (own.meta, own.version)
        if claim.incarnation > own.incarnation or not is_ours:
            self._refute(claim.incarnation, now)

    def suspect(self, claim: Suspect, now: float) -> None:
        """Somebody has had no answer from a member."""
        record = self._table.get(claim.member)
        if record is None or claim.incarnation < record.incarnation:
            return
        if claim.incarnation >= MAX_INCARNATION and not record.is_gone and record.name != self._table.own_name:
            self._counters["irrefutable_claims"] += 1
            self._to_ask[record.name] = record
        if record.state is MemberState.SUSPECT:
            if self._suspicions.confirm(record.name, claim.accuser):
                # One entry per accuser: each has to arrive, or nobody's suspicion gets shorter.
                self._broadcasts.push(encode(claim), about=record.name, detail=claim.accuser)
            return
        if record.is_gone:
            return
        if record.name == self._table.own_name:
            self._refute(claim.incarnation, now)
            return
        self._broadcasts.push(encode(claim), about=record.name, detail=claim.accuser)
        suspected = replace(
            record, incarnation=claim.incarnation, state=MemberState.SUSPECT, changed_at=now, suspected_at=now
        )
        self._table.put(suspected)
        self._suspicions.start(record.name, claim.accuser, now, suspicion_bounds(self._settings, len(self._table)))
        self._events.append(MemberSuspected(record.name, now, claim.accuser))

    def dead(self, claim: Dead, now: float) -> None:
        """Somebody has given up on a member, or the member says good-bye."""
        record = self._table.get(claim.member)
        if record is None or claim.incarnation < record.incarnation or record.is_gone:
            return
        if record.name == self._table.own_name:
            self._refute(claim.incarnation, now)
        elif claim.incarnation < MAX_INCARNATION and (claim.is_leave or self._is_believed(record, now)):
            self._bury(record, claim, now)
        else:
            self.suspect(Suspect(claim.incarnation, claim.member, claim.accuser), now)

    def _is_believed(self, record: Record, now: float) -> bool:
        """Whether another's word that the member is dead is enough by now."""
        if not self._settings.doubts_deaths:
            return True
        suspicion = self._suspicions.get(record.name)
        return suspicion is not None and now >= suspicion.believed_at

    def _bury(self, record: Record, claim: Dead, now: float) -> None:
        """A member is gone, by its own word or because its time to refute is over."""
        self._suspicions.end(record.name)
        self._broadcasts.push(encode(claim), about=record.name)
        state = MemberState.LEFT if claim.is_leave else MemberState.DEAD
        self._table.put(replace(record, incarnation=claim.incarnation, state=state, changed_at=now))
        if claim.is_leave:
            self._events.append(MemberLeft(record.name, now))
        else:
            self._events.append(MemberFailed(record.name, now, record.suspected_at))

    def _refute(self, accused_incarnation: int, now: float) -> None:
        """Answer an accusation of ourselves. Having been accused at all is a sign of our own slowness."""
        if accused_incarnation >= MAX_INCARNATION:
            self._counters["irrefutable_claims"] += 1
            # What we say from now on is at least not older than what is said of us.
            self._table.put(replace(self._table.own, incarnation=MAX_INCARNATION))
            return
        self._awareness.apply(1)
        self._counters["refutations"] += 1
        own = self._table.own
        self._announce(max(own.incarnation, accused_incarnation) + 1, own.meta, now)

    def announce(self, meta: bytes, now: float) -> None:
        """Tell everybody that we have another meta."""
        if not self.has_left and meta != self._table.own.meta:
            self._announce(self._table.own.incarnation + 1, meta, now)
            self._events.append(MemberUpdated(self._table.own_name, now))

    def _announce(self, incarnation: int, meta: bytes, now: float) -> None:
        own = replace(self._table.own, incarnation=min(incarnation, MAX_INCARNATION), meta=meta)
        self._table.put(own)
        self._broadcasts.push(self.own_alive(), about=own.name)

    def introduce(self) -> None:
        """Tell everybody that we are here: they need not wait until the one we joined through has told them."""
        if not self.has_left:
            self._broadcasts.push(self.own_alive(), about=self._table.own_name)

    def own_alive(self) -> bytes:
        """Our own statement, encoded."""
        own = self._table.own
        return encode(Alive(own.incarnation, own.name, own.raw_host, own.port, own.meta, own.version))

    def last_word(self, record: Record) -> bytes:
        """The statement that a member is gone, encoded: its own good-bye, or our giving it up."""
        accuser = record.name if record.state is MemberState.LEFT else self._table.own_name
        return encode(Dead(record.incarnation, record.name, accuser))

    def leave(self, now: float) -> None:
        """Say good-bye. From now on nothing said about us is answered."""
        own = self._table.own
        if self.has_left:
            return
        self.has_left = True
        self._table.put(replace(own, state=MemberState.LEFT, changed_at=now))
        self._broadcasts.push(encode(Dead(own.incarnation, own.name, own.name)), about=own.name)
        self._events.append(MemberLeft(own.name, now))

    def expire(self, now: float) -> None:
        """Declare dead whose suspicion has run out."""
        while (name := self._suspicions.next_expired(now)) is not None:
            record = self._table.get(name)
            assert record is not None and record.state is MemberState.SUSPECT, "suspects are never forgotten"
            if record.incarnation >= MAX_INCARNATION and self._has_answered(record):
                self._suspicions.end(name)
                self._table.put(replace(record, state=MemberState.ALIVE, changed_at=now, suspected_at=None))
                self._events.append(MemberRefuted(name, now))
            else:
                self._bury(record, Dead(record.incarnation, name, self._table.own_name), now)

    def _has_answered(self, record: Record) -> bool:
        """Whether a doubted member has answered a ping of ours that was sent after the doubt."""
        answer = self._table.answers.get(record.name)
        return answer is not None and record.suspected_at is not None and answer.asked_at >= record.suspected_at

    def take_to_ask(self) -> Iterable[Record]:
        """Whom only a ping of our own can tell the truth about, since the last call.

        Members that have been doubted and cannot refute it, and newcomers to a crowded table.
        """
        to_ask, self._to_ask = self._to_ask, {}
        return to_ask.values()

    def answered(self, name: str, now: float) -> None:
        """Somebody has answered a ping of ours; a newcomer is listed for it."""
        claim = self._newcomers.answered(name)
        if claim is not None and self._table.get(name) is None:
            self._meet(claim, now, source=raw_to_host(claim.raw_host), is_there=True)

    @property
    def next_deadline(self) -> float | None:
        """When the next suspicion runs out."""
        return self._suspicions.next_deadline

    def forgive(self, stalled: float) -> None:
        """Give every suspect the seconds in which we were not able to hear it."""
        self._suspicions.forgive(stalled)


def _living(claim: Alive, changed_at: float) -> Record:
    """What is known of a member of which this is believed."""
    return Record(
        claim.member,
        claim.raw_host,
        claim.port,
        claim.meta,
        claim.version,
        claim.incarnation,
        MemberState.ALIVE,
        changed_at,
    )
