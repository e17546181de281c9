"""Ask one member after the other whether it is there, and ask for others who want to know.

A round: ping directly; after probe_timeout without an ack ask `indirect_checks` others to ping it, and ping it over
TCP; without any ack until probe_interval has passed, suspect it. Both waits are scaled by our awareness. Deviations
from memberlist, from the Lifeguard paper: probe_timeout is scaled too. What we ask on behalf of others is in `relays`.

Acks are matched by sequence number. Only an answer that came straight from the member counts as a round trip.
"""

import math
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ceilo_gossip.swim.awareness import Awareness
from ceilo_gossip.swim.claims import Claims
from ceilo_gossip.swim.events import AckReceived, SwimEvent
from ceilo_gossip.swim.outbox import Outbox
from ceilo_gossip.swim.relays import Relays, asker_address
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.swim.table import Record, Table
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.codec import encode
from ceilo_gossip.wire.messages import Ack, IndirectPing, Nack, Ping, Suspect

# Pings of ours under way: one round and the owner's extra probes. Beyond it the oldest is given up.
MAX_PINGS = 1024
_NACK_PROTOCOL = 4
_STREAM_PING_PROTOCOL = 3

OpenStream = Callable[[Record, bytes, float, int], None]


@dataclass(slots=True)
class _Round:
    """The probe under way."""

    target: Record
    seq_no: int
    started_at: float
    timeout_at: float
    deadline: float
    is_indirect: bool = False
    nacks: int = 0
    relays: list[str] = field(default_factory=list)  # those that will nack


@dataclass(slots=True)
class _SentPing:
    target: Record
    sent_at: float
    expires_at: float


class Prober:
    """The prober of one pool.

    open_stream(record, message, deadline, seq_no): starts a ping over TCP. ack_payload: what the layer above adds to
    our acks.
    """

    def __init__(
        self,
        settings: SwimSettings,
        table: Table,
        claims: Claims,
        awareness: Awareness,
        outbox: Outbox,
        events: deque[SwimEvent],
        counters: Counter[str],
        open_stream: OpenStream,
        ack_payload: Callable[[], bytes],
        *,
        rng: random.Random,
        first_probe_at: float,
    ) -> None:
        self._settings = settings
        self._table = table
        self._claims = claims
        self._awareness = awareness
        self._outbox = outbox
        self._events = events
        self._counters = counters
        self._open_stream = open_stream
        self._ack_payload = ack_payload
        self._rng = rng
        self._next_round_at = first_probe_at
        self._round: _Round | None = None
        self._pings: dict[int, _SentPing] = {}
        self._relays = Relays(settings, table, outbox, counters, self._take_seq_no)

    @property
    def next_deadline(self) -> float:
        """When something of this has to be done."""
        current = self._round
        if current is None:
            due = self._next_round_at
        else:
            due = current.deadline if current.is_indirect else min(current.timeout_at, current.deadline)
        relays_due = self._relays.next_deadline
        return due if relays_due is None else min(due, relays_due)

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        self._relays.handle_timer(now)
        current = self._round
        if current is not None and not current.is_indirect and current.timeout_at <= now:
            # When we notice late the others still get their time.
            current.deadline += now - current.timeout_at
            ping = self._pings.get(current.seq_no)
            if ping is not None:  # or it was given up for the owner's extra probes
                ping.expires_at = current.deadline
            self._ask_others(current)
        if current is not None and current.deadline <= now:
            self._fail(current, now)
        if self._round is None and self._next_round_at <= now:
            self._begin(now)

    def abandon(self, now: float) -> None:
        """Forget the round under way: we have not been able to listen, so its failure would say nothing."""
        self._round = None
        self._next_round_at = now

    def stop(self) -> None:
        """Begin no more rounds; others' questions are still answered."""
        self._round = None
        self._next_round_at = math.inf

    def probe(self, target: Record, now: float) -> None:
        """One extra direct ping, at once. An answer shows in the record; none has no consequence."""
        self._ping(target, now, now + self._awareness.scale(self._settings.probe_interval))

    def _begin(self, now: float) -> None:
        self._next_round_at = now + self._settings.probe_interval
        self._drop_expired_pings(now)
        target = self._table.next_to_probe(forget_before=now - self._settings.gossip_to_the_dead)
        if target is None:
            return
        timeout_at = now + self._awareness.scale(self._settings.probe_timeout)
        deadline = now + self._awareness.scale(self._settings.probe_interval)
        seq_no = self._ping(target, now, deadline)
        self._round = _Round(target, seq_no, now, timeout_at, deadline)

    def _ping(self, target: Record, now: float, expires_at: float) -> int:
        seq_no = self._take_seq_no()
        if len(self._pings) >= MAX_PINGS:
            # Not that of the round, whose target would be accused for it.
            round_seq_no = None if self._round is None else self._round.seq_no
            del self._pings[next(number for number in self._pings if number != round_seq_no)]
        self._pings[seq_no] = _SentPing(target, now, expires_at)
        own = self._table.own
        ping = encode(Ping(seq_no, target.name, own.raw_host, own.port, own.name))
        if target.state is MemberState.SUSPECT and self._settings.tells_suspects_first:
            # The buddy system: who is suspected hears of it first, and can refute with the ack.
            accusation = encode(Suspect(target.incarnation, target.name, own.name))
            self._outbox.send_both(ping, accusation, target.address, to=target)
        else:
            # Who is listed no more, or not yet, gets the ping alone.
            self._outbox.send(ping, target.address, to=self._table.get(target.name) and target)
        return seq_no

    def _take_seq_no(self) -> int:
        """Drawn anew for each ping: who saw the last one cannot forge the ack to the next, and so hide a death."""
        while (seq_no := self._rng.getrandbits(32)) in self._pings or self._relays.is_using(seq_no):
            pass
        return seq_no

    def _drop_expired_pings(self, now: float) -> None:
        expired = [seq_no for seq_no, ping in self._pings.items() if ping.expires_at < now]
        for seq_no in expired:
            del self._pings[seq_no]

    def _ask_others(self, current: _Round) -> None:
        """The direct ping has not been answered in time."""
        current.is_indirect = True
        target, own = current.target, self._table.own
        peers = self._table.pick(
            self._settings.indirect_checks, lambda peer: peer.state is MemberState.ALIVE and peer.name != target.name
        )
        for peer in peers:
            wants_nack = peer.protocol_limit >= _NACK_PROTOCOL
            if wants_nack:
                current.relays.append(peer.name)
            request = IndirectPing(
                current.seq_no,
                target.raw_host,
                target.port,
                target.name,
                wants_nack,
                own.raw_host,
                own.port,
                own.name,
            )
            self._outbox.send(encode(request), peer.address, to=peer)
        if target.protocol_limit >= _STREAM_PING_PROTOCOL:
            ping = encode(Ping(current.seq_no, target.name, own.raw_host, own.port, own.name))
            self._open_stream(target, ping, current.deadline, current.seq_no)

    def _fail(self, current: _Round, now: float) -> None:
        self._end(current, now)
        self._awareness.apply(self._lesson(current))
        self._counters["probes_failed"] += 1
        # The record as it was when we asked: what the member has said of itself since then refutes us.
        asked, known = current.target, self._table.get(current.target.name)
        if known is not None and known.address == asked.address:
            self._claims.suspect(Suspect(asked.incarnation, asked.name, self._table.own_name), now)

    def _lesson(self, current: _Round) -> int:
        """What a failed probe says of our own health.

        A nack says that we are heard, and hear in time; all of them say as much as an ack. If none came we are slow
        or deaf, or the relays are; those that are doubted by now are no witnesses. Deviation: memberlist counts each
        nack that did not come, so that in a pool of which half has died together everybody distrusts himself, and
        the last deaths are noticed after half a minute.
        """
        if not current.relays:
            return 1
        living = sum(
            known is not None and known.state is MemberState.ALIVE for known in map(self._table.get, current.relays)
        )
        missing = living - current.nacks
        if current.nacks:
            return 0 if missing > 0 else -1
        return max(0, missing)

    def _succeed(self, current: _Round, now: float) -> None:
        self._end(current, now)
        self._awareness.apply(-1)

    def _end(self, current: _Round, now: float) -> None:
        self._round = None
        self._next_round_at = max(now, current.started_at + self._settings.probe_interval)

    def receive_ack(self, ack: Ack, source: Address, now: float, *, is_stream: bool = False) -> None:
        """Somebody answers: to a ping of ours, or to one that we relay."""
        if self._relays.receive_ack(ack, now):
            return
        current = self._round
        ping = self._pings.get(ack.seq_no)
        if ping is None or ping.expires_at < now:
            self._counters["acks_unexpected"] += 1
            return
        is_round = current is not None and current.seq_no == ack.seq_no
        is_direct = source.host == ping.target.address.host
        if is_direct:
            self._claims.answered(ping.target.name, now)
            round_trip = None if is_stream else now - ping.sent_at
            self._table.answers.keep(ping.target.name, ping.sent_at, round_trip)
            if round_trip is not None and ack.payload:
                self._events.append(AckReceived(ping.target.name, ack.payload, round_trip, now))
        if is_round and current is not None:
            if not is_direct:
                self._counters["probes_answered_through_others"] += 1
            self._succeed(current, now)
        # A relay's ack may be followed by the member's own, late one; that still is a round trip.
        if is_direct:
            del self._pings[ack.seq_no]

    def receive_nack(self, nack: Nack) -> None:
        """A relay lives and hears us, and has not heard the member we asked for."""
        current = self._round
        if current is not None and current.seq_no == nack.seq_no and current.nacks < len(current.relays):
            current.nacks += 1
            self._counters["nacks"] += 1

    def receive_ping(self, ping: Ping, source: Address) -> None:
        """Somebody asks whether we are there."""
        if ping.member and ping.member != self._table.own_name:
            self._counters["pings_for_others"] += 1
            return
        reply_to, asker = asker_address(self._table, ping, source)
        self._outbox.send(encode(Ack(ping.seq_no, self._ack_payload())), reply_to, to=asker)

    def receive_indirect_ping(self, request: IndirectPing, source: Address, now: float) -> None:
        """Somebody wants us to ask whether another one is there."""
        self._relays.receive_request(request, source, now)
