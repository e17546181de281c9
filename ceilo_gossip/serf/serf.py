"""One Serf member of one pool, sans-IO: what the agent drives through an endpoint and asks about its peers.

The five verbs (`receive_datagram`, `handle_timer`, `get_timer`, `datagrams_to_send`, `next_event`), the same for
streams, and what an owner may ask for. All instants are monotonic seconds. Nothing a peer sends makes a verb raise.

Speaks Serf: tags, intents, states, user events and queries are understood and spread on. Queries named `_serf_...`
are Serf's own and not the owner's: all are acknowledged, `_serf_ping` needs no more, and those about keys and disputed
names are answered by `rotation` and `conflict`.
"""

import functools
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from ceilo_gossip.serf.answering import Answering, received
from ceilo_gossip.serf.clock import LamportClock
from ceilo_gossip.serf.conflict import CONFLICT_QUERY, Conflict
from ceilo_gossip.serf.coordinates import Coordinates, estimate
from ceilo_gossip.serf.events import Event, KeyringChanging, QueryAnswered, QueryFinished, QueryReceived
from ceilo_gossip.serf.filters import matches
from ceilo_gossip.serf.intents import Intents
from ceilo_gossip.serf.joining import Joining
from ceilo_gossip.serf.keys import KEY_QUERIES
from ceilo_gossip.serf.leaving import Leaving, Phase
from ceilo_gossip.serf.member import Member
from ceilo_gossip.serf.queries import Queries, QueryRequest
from ceilo_gossip.serf.roster import Entry, Roster, SerfStatus
from ceilo_gossip.serf.rotation import Rotation
from ceilo_gossip.serf.seen import SeenRing
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.serf.snapshot import Snapshot
from ceilo_gossip.serf.user_events import UserEvents
from ceilo_gossip.swim.events import (
    AckReceived,
    ExchangeFinished,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberRefuted,
    MemberSuspected,
    MemberUpdated,
    NameClaimed,
    SwimEvent,
    UserMessageReceived,
    UserStateReceived,
)
from ceilo_gossip.swim.output import Datagram, StreamRequest
from ceilo_gossip.swim.swim import Identity, Swim
from ceilo_gossip.swim.table import Record
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.coordinate import Coordinate
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.serf_codec import decode_serf, encode_serf
from ceilo_gossip.wire.serf_messages import (
    QUERY_IS_NOT_BROADCAST,
    QUERY_WANTS_ACK,
    JoinIntent,
    LeaveIntent,
    Query,
    QueryResponse,
    Relay,
    SerfState,
    UserEvent,
)
from ceilo_gossip.wire.tags import encode_tags

_INTENTS, _QUERIES, _EVENTS = range(3)  # queues, the first goes first
_INTERNAL = "_serf_"  # what the names of Serf's own queries begin with
_PING = "_serf_ping"


class Serf:
    """One member of one pool."""

    def __init__(self, settings: SerfSettings, *, rng: random.Random, now: float) -> None:
        """`ValueError` when the tags do not fit into 512 bytes."""
        self._settings = settings
        identity = Identity(
            settings.name, settings.address, encode_tags(settings.tags), settings.keyring, settings.label
        )
        self._coordinates = Coordinates(rng)
        self._swim = Swim(
            identity,
            settings.swim,
            local_state=self._local_state,
            ack_payload=self._coordinates.payload,
            rng=rng,
            now=now,
        )
        self._roster = Roster(self._swim.table.own)
        self._joining = Joining(settings, rng, now)
        self._events: deque[Event] = deque()
        self._leaving = Leaving(settings, self._swim, self._events, queue=_INTENTS)
        self._intents = Intents(self._roster, self._leaving, self._events, spread=self._spread(_INTENTS))
        self._user_events = UserEvents(settings.event_limit, self._events, spread=self._spread(_EVENTS))
        self._query_clock, self._seen_queries = LamportClock(), SeenRing()
        self._queries = Queries(settings, rng, self._swim.counters)
        self._answering = Answering(
            settings.name,
            self._swim.table.own.address,
            self._roster,
            rng,
            self._swim.counters,
            send=self._swim.send_user_message,
            deliver=self._receive_response,
        )
        self._rotation = Rotation(
            self._swim, self._answering, self._events, self._swim.counters, is_stored=settings.keyring_is_stored
        )
        self._conflict = Conflict(
            self._swim.table, self._roster, self._answering, self._events, self._swim.counters, ask=self.query
        )
        self._reap_at = now + settings.reap_interval
        if settings.snapshot is not None:
            self._restore(settings.snapshot)

    def _restore(self, snapshot: Snapshot) -> None:
        """Go on from where an earlier life ended: with its clocks, and deaf to what it has been told already."""
        self._intents.clock.adopt(snapshot.clock)
        self._user_events.restore(snapshot.event_clock)
        self._query_clock.adopt(snapshot.query_clock)
        self._seen_queries.minimum = snapshot.query_clock + 1

    def _spread(self, queue: int) -> Callable[[bytes], None]:
        return functools.partial(self._swim.broadcast_user_message, queue=queue)

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def phase(self) -> Phase:
        """Where we are between start and end."""
        return self._leaving.phase

    # The five verbs.

    def receive_datagram(self, data: bytes, source: Address, now: float) -> None:
        """A packet has come. One that cannot be read is dropped and counted."""
        self._swim.receive_datagram(data, source, now)
        self._drain(now)

    def handle_timer(self, now: float) -> None:
        """Do what is due. Calling it early or too often does no harm."""
        self._swim.handle_timer(now)
        self._drain(now)
        for address in self._joining.due(now, self._roster):
            if not self._swim.exchange_with(address, now, is_join=True):
                self._joining.finished(address, succeeded=False)
        self._conflict.handle_timer(now)
        self._finish(self._queries.expire(now), now)
        if self._reap_at <= now:
            self._reap_at = now + self._settings.reap_interval
            self._events.extend(
                self._roster.reap(
                    now,
                    failed_for=self._settings.reconnect_timeout,
                    left_for=self._settings.tombstone_timeout,
                    intent_for=self._settings.recent_intent_timeout,
                )
            )
            self._coordinates.forget_all_but(self._roster)
            self._swim.table.answers.forget_all_but(self._roster)
        if self.phase is not Phase.RUNNING:
            self._leaving.handle_timer(now)
            self._drain(now)

    def get_timer(self) -> float | None:
        """When `handle_timer` wants to be called next; None once we have left."""
        if self.phase is Phase.LEFT:
            return None
        return min(
            self._swim.get_timer(),
            self._joining.next_deadline,
            self._queries.next_deadline,
            self._conflict.next_deadline,
            self._reap_at,
            self._leaving.next_deadline,
        )

    def datagrams_to_send(self, now: float) -> list[Datagram]:
        """What is to be sent now."""
        return self._swim.datagrams_to_send(now)

    def next_event(self) -> Event | None:
        """The next thing that happened, None when all have been told."""
        return self._events.popleft() if self._events else None

    # Streams.

    def streams_to_open(self, now: float) -> list[StreamRequest]:
        """Exchanges over TCP to be started now; each is answered with `receive_stream_reply`."""
        return self._swim.streams_to_open(now)

    def receive_stream_reply(self, request_id: int, data: bytes | None, now: float) -> None:
        """The whole reply to a request of ours, or None when there was none until its deadline."""
        self._swim.receive_stream_reply(request_id, data, now)
        self._drain(now)

    def receive_stream(self, data: bytes, source: Address, now: float) -> bytes:
        """A whole request has come over a stream: the bytes to answer with, b"" for none."""
        reply = self._swim.receive_stream(data, source, now)
        self._drain(now)
        return reply

    # What an owner may ask for.

    def join(self, addresses: Sequence[Address], now: float) -> None:
        """Look for the pool at these addresses, until one answers; our own among them is skipped."""
        if self.phase is Phase.RUNNING:
            self._joining.join(addresses, now)

    def leave(self, now: float) -> None:
        """Leave in good order; `LeaveFinished` follows after a few seconds. Not to be undone: start a new Serf.

        A member that has lost its name leaves at once without a word, for it would be taken for the other's.
        """
        if self.phase is not Phase.RUNNING:
            return
        self._joining.stop()
        self._finish(self._queries.stop(now), now)
        if self._conflict.is_lost(now):
            self._leaving.end(now)
            return
        self._intents.announce_leave(now)

    def force_leave(self, name: str, now: float, *, prune: bool = False) -> bool:
        """Declare that a member that failed had left, in the whole pool; prune: everybody forgets it.

        False when no such member has failed or left. One that lives after all denies it.
        """
        return self._intents.declare_left(name, now, prune=prune)

    def set_tags(self, tags: Mapping[str, str], now: float) -> None:
        """Announce other tags; `ValueError` when they do not fit into 512 bytes."""
        self._swim.announce(encode_tags(tags), now)
        self._drain(now)

    def send_event(self, name: str, payload: bytes, now: float, *, coalesce: bool = False) -> int:
        """Send all members, ourselves included, a user event: its Lamport time.

        coalesce: receivers may take several of one name as one. `ValueError` when name and payload, or the encoded
        event, have more than `event_limit` bytes, or when we are leaving.
        """
        if self.phase is not Phase.RUNNING:
            raise ValueError("a member that leaves sends no events any more")
        return self._user_events.send(name, payload, now, coalesce=coalesce)

    def query(self, request: QueryRequest, now: float) -> int:
        """Ask the pool, ourselves included: the id under which acks and answers are told, and then the end.

        `ValueError` when it does not fit into 1024 bytes, too many queries run, or we are leaving.
        """
        if self.phase is not Phase.RUNNING:
            raise ValueError("a member that leaves asks nothing any more")
        query = self._queries.ask(request, now, ltime=self._query_clock.time, living=self._swim.table.living)
        self._receive_query(query, encode_serf(query), now)
        return query.id

    def answer(self, query: QueryReceived, payload: bytes, now: float) -> bool:
        """Answer a query; False when its deadline is over. `ValueError` when the answer is over 1024 bytes encoded.

        Only the first answer counts.
        """
        return self._answering.answer(query, payload, now)

    @property
    def keyring(self) -> Keyring | None:
        """The keys in use; None for plain text."""
        return self._swim.keyring

    def key_stored(self, change: KeyringChanging, now: float) -> None:
        """A changed keyring is stored durably: from now on it is used, and who asked for it is told."""
        self._rotation.stored(change, now)

    def key_refused(self, change: KeyringChanging, reason: str, now: float) -> None:
        """A changed keyring could not be stored, so nothing changes. reason: told to who asked for it."""
        self._rotation.refused(change, reason, now)

    def probe(self, name: str, now: float) -> bool:
        """Ping a member at once, a failed one too; `take_answers` tells of its answer. False when it is not known."""
        entry = self._roster.get(name)
        return self._swim.probe(name, now, remembered=None if entry is None else entry.record)

    def take_answers(self) -> dict[str, float]:
        """By name, when those were asked that have answered a later question of ours since the last call."""
        return self._swim.table.answers.take_untold()

    def members(self) -> Mapping[str, Member]:
        """Everybody who is or was in the pool, ourselves included, as of now."""
        return {entry.name: self._view(entry) for entry in self._roster}

    def member(self, name: str) -> Member | None:
        """One member as of now; None when nothing is known of it."""
        entry = self._roster.get(name)
        return None if entry is None else self._view(entry)

    def _view(self, entry: Entry) -> Member:
        table = self._swim.table
        return entry.view(table.get(entry.name), table.answers.get(entry.name))

    def snapshot(self) -> Snapshot:
        """What to remember over a restart.

        Deviation: Serf forgets whom it holds for failed, so that one who was cut off and restarts knows nobody.
        """
        members = {entry.name: entry.record.address for entry in self._roster if entry.status is not SerfStatus.LEFT}
        members.pop(self.name, None)
        return Snapshot(
            members,
            clock=self._intents.clock.time - 1,
            event_clock=self._user_events.last_ltime,
            query_clock=self._query_clock.time - 1,
            has_left=self.phase is not Phase.RUNNING,
        )

    @property
    def coordinate(self) -> Coordinate:
        """Our own place in the space of round trips."""
        return self._coordinates.own

    def coordinate_of(self, name: str) -> Coordinate | None:
        """A member's place, as it last announced it to us; None while it has not, and for a stranger."""
        if name == self.name:
            return self._coordinates.own
        return self._coordinates.of(name) if name in self._roster else None

    def estimate_round_trip(self, one: str, other: str) -> float | None:
        """Seconds between any two members, whether or not they ever spoke with us; None when a place is not known."""
        here, there = self.coordinate_of(one), self.coordinate_of(other)
        return None if here is None or there is None else estimate(here, there)

    @property
    def awareness(self) -> int:
        """Our own health score, 0 (healthy) .. 7: how much we distrust our view."""
        return self._swim.awareness

    @property
    def queue_lengths(self) -> Mapping[str, int]:
        """Messages that wait to be gossiped, by kind."""
        return dict(zip(("claims", "intents", "queries", "events"), self._swim.queue_lengths, strict=True))

    @property
    def counters(self) -> Mapping[str, int]:
        """What was refused, dropped or odd since the start, by reason."""
        return self._swim.counters

    # What SWIM tells.

    def _drain(self, now: float) -> None:
        while (event := self._swim.next_event()) is not None:
            self._take(event, now)

    def _take(self, event: SwimEvent, now: float) -> None:
        match event:
            case MemberJoined():
                self._roster.joined(self._record(event.name))
                self._events.append(event)
            case MemberUpdated() | MemberSuspected() | MemberRefuted():
                self._roster.updated(self._record(event.name))
                self._events.append(event)
            case MemberFailed() | MemberLeft():
                answer = self._swim.table.answers.get(event.name)
                self._events.extend(self._roster.gone(event, self._record(event.name), answer))
            case NameClaimed():
                self._conflict.claimed(event.address, now)
            case UserMessageReceived():
                self._receive_message(event.payload, now)
            case UserStateReceived():
                self._merge(event, now)
            case ExchangeFinished():
                if self._joining.finished(event.destination, succeeded=event.succeeded):
                    self._intents.announce_join(now)
            case AckReceived():
                if not self._coordinates.receive(event.name, event.payload, event.round_trip):
                    self._swim.counters["coordinates_refused"] += 1
            case _:
                self._events.append(event)

    def _record(self, name: str) -> Record:
        record = self._swim.table.get(name)
        assert record is not None, "SWIM forgets members only between passes"
        return record

    def _receive_message(self, payload: bytes, now: float) -> None:
        try:
            message = decode_serf(payload)
        except WireError:
            self._swim.counters["serf_messages_refused"] += 1
            return
        match message:
            case JoinIntent() if self._intents.clock.is_credible(message.ltime):
                self._intents.receive_join(message, payload, now)
            case LeaveIntent() if self._intents.clock.is_credible(message.ltime):
                self._intents.receive_leave(message, payload, now)
            case UserEvent() if self._user_events.clock.is_credible(message.ltime):
                self._user_events.receive(message, payload, now)
            case Query() if self._query_clock.is_credible(message.ltime):
                self._receive_query(message, payload, now)
            case JoinIntent() | LeaveIntent() | UserEvent() | Query():
                self._swim.counters["ltime_leaps"] += 1
            case QueryResponse():
                self._receive_response(message, now)
            case Relay():
                self._relay(message)
            case _:
                self._swim.counters["serf_messages_unexpected"] += 1

    def _receive_query(self, query: Query, payload: bytes, now: float) -> None:
        self._query_clock.witness(query.ltime)
        if not self._seen_queries.is_new(query.ltime, query.id, clock=self._query_clock.time):
            return
        if not query.flags & QUERY_IS_NOT_BROADCAST:
            # Even when it is not for us: others hear it through us.
            self._swim.broadcast_user_message(payload, queue=_QUERIES)
        if not matches(query.filters, self.name, self._roster.own.tags):
            return
        question = received(query, now)
        if query.flags & QUERY_WANTS_ACK:
            self._answering.acknowledge(question, now)
        if not query.name.startswith(_INTERNAL):
            self._events.append(question)
        elif query.name in KEY_QUERIES:
            self._rotation.receive(question, now)
        elif query.name == CONFLICT_QUERY:
            self._conflict.testify(question, now)
        elif query.name != _PING:
            self._swim.counters["internal_queries_unanswered"] += 1

    def _receive_response(self, response: QueryResponse, now: float) -> None:
        event = self._queries.receive(response, now, members=len(self._roster))
        if event is None or (isinstance(event, QueryAnswered) and self._conflict.count(event)):
            return
        self._events.append(event)

    def _finish(self, ends: Sequence[QueryFinished], now: float) -> None:
        for end in ends:
            if not self._conflict.conclude(end, now):
                self._events.append(end)

    def _relay(self, relay: Relay) -> None:
        """Pass on to members only: a pool is not a way to send packets to anybody."""
        if any(record.address == relay.destination for record in self._swim.table):
            self._swim.send_user_message(relay.inner, relay.destination)
        else:
            self._swim.counters["relays_to_strangers"] += 1

    # States exchanged in a push/pull.

    def _local_state(self) -> bytes:
        told = self._roster.told()
        return encode_serf(
            SerfState(
                ltime=self._intents.clock.time,
                status_ltimes={entry.name: entry.status_ltime for entry in told},
                left_members=tuple(entry.name for entry in told if entry.status is SerfStatus.LEFT),
                event_ltime=self._user_events.clock.time,
                query_ltime=self._query_clock.time,
                past_events=self._user_events.past(),
            )
        )

    def _merge(self, event: UserStateReceived, now: float) -> None:
        try:
            state = decode_serf(event.payload)
        except WireError:
            self._swim.counters["serf_states_refused"] += 1
            return
        if not isinstance(state, SerfState):
            self._swim.counters["serf_states_refused"] += 1
            return
        is_our_pool = event.is_join and event.was_asked and self._joining.is_target(event.peer)
        for clock, ltime in (
            (self._intents.clock, state.ltime),
            (self._user_events.clock, state.event_ltime),
            (self._query_clock, state.query_ltime),
        ):
            # The others' clocks show the next time to use; what they have seen is one less.
            (clock.adopt if is_our_pool else clock.witness)(max(ltime - 1, 0))
        self._intents.receive_state(state, now)
        if event.is_join and event.was_asked and self._joining.is_looking and self._settings.snapshot is None:
            # What happened before we came is not news to act upon; who was here before has missed it, though.
            self._user_events.begin_at(state.event_ltime)
            # And a question that was asked before and comes now was taken down and is sent again.
            self._seen_queries.minimum = max(self._seen_queries.minimum, state.query_ltime)
        self._user_events.receive_past(state.past_events, now)
