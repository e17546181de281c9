"""One member of one pool, sans-IO: SWIM with Lifeguard. It owns the parts and decides only which part is asked.

The five verbs: `receive_datagram`, `handle_timer`, `get_timer`, `datagrams_to_send`, `next_event`; and for exchanges
over TCP `streams_to_open`, `receive_stream_reply`, `receive_stream`. All instants are monotonic seconds.

Nothing ticks while nothing is to be done: an idle member wakes once for each probe and its ack, and for push/pulls.
"""

import math
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from ceilo_gossip.swim.awareness import Awareness
from ceilo_gossip.swim.broadcasts import BroadcastQueue
from ceilo_gossip.swim.claims import Claims
from ceilo_gossip.swim.events import ExchangeFinished, SwimEvent, UserMessageReceived, UserStateReceived
from ceilo_gossip.swim.exchange import Exchange, PendingRequest, Streams, stream_ack
from ceilo_gossip.swim.outbox import Outbox
from ceilo_gossip.swim.output import Datagram, StreamRequest
from ceilo_gossip.swim.prober import Prober
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.swim.table import Record, Table
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import OUR_VERSION
from ceilo_gossip.wire.codec import encode, encode_for_stream
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import (
    Ack,
    Alive,
    Dead,
    ErrorMessage,
    IndirectPing,
    Message,
    Nack,
    Ping,
    PushPull,
    Suspect,
    UserMessage,
)
from ceilo_gossip.wire.packet import unpack_datagram

# Above this size push/pulls get rarer, so that their sum stays bounded (memberlist's pushPullScaleThreshold).
_PUSH_PULL_SCALE_FROM = 32
USER_QUEUES = 3  # Serf's: intents, queries, events


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are in the pool. meta: what we announce; at most 512 bytes. keyring: what we start with."""

    name: str
    address: Address
    meta: bytes
    keyring: Keyring | None = None
    label: bytes = b""


class Swim:
    """The membership core of one pool."""

    def __init__(
        self,
        identity: Identity,
        settings: SwimSettings,
        *,
        local_state: Callable[[], bytes],
        ack_payload: Callable[[], bytes] = bytes,
        rng: random.Random,
        now: float,
    ) -> None:
        """local_state, ack_payload: give the bytes that the layer above adds to a push/pull, and to an ack over UDP."""
        self._settings = settings
        self._identity = identity
        self._keyring = identity.keyring
        self._rng = rng
        self.counters: Counter[str] = Counter()
        self._events: deque[SwimEvent] = deque()
        self.table = Table(identity.name, rng)
        host = identity.address.raw_host
        own = Record(identity.name, host, identity.address.port, identity.meta, OUR_VERSION, 1, MemberState.ALIVE, now)
        self.table.add(own)
        self._awareness = Awareness(settings.awareness_limit)
        multiplier = settings.retransmit_multiplier
        self._member_queue = BroadcastQueue(multiplier, self.counters)
        self.user_queues = tuple(BroadcastQueue(multiplier, self.counters) for _ in range(USER_QUEUES))
        self._outbox = Outbox(
            self.table,
            (self._member_queue, *self.user_queues),
            self.counters,
            keyring=identity.keyring,
            label=identity.label,
            datagram_limit=settings.datagram_limit,
        )
        self._claims = Claims(settings, self.table, self._awareness, self._member_queue, self._events, self.counters)
        self._streams = Streams(self.counters, keyring=identity.keyring, label=identity.label)
        self._exchange = Exchange(self.table, self._claims, self.counters, local_state)
        self._prober = Prober(
            settings,
            self.table,
            self._claims,
            self._awareness,
            self._outbox,
            self._events,
            self.counters,
            self._ping_over_stream,
            ack_payload,
            rng=rng,
            first_probe_at=now + rng.uniform(0, settings.probe_interval),
        )
        self._reminded_at: dict[str, float] = {}  # of those that are gone; emptied with each push/pull
        self._gossiped_at = now - settings.gossip_interval
        self._push_pull_at = now + rng.uniform(0.5, 1.0) * settings.push_pull_interval

    # The five verbs.

    def receive_datagram(self, data: bytes, source: Address, now: float) -> None:
        """A packet has come. One that cannot be read is dropped and counted."""
        try:
            packet = unpack_datagram(data, keyring=self._keyring, label=self._identity.label)
        except WireError as error:
            self.counters[f"datagrams_refused_{type(error).__name__}"] += 1
            return
        if packet.refused:
            self.counters["parts_refused"] += packet.refused
        for message in packet.messages:
            self._receive(message, source, now)
        self._ask(now)

    def _receive(self, message: Message, source: Address, now: float) -> None:
        match message:
            case Ping():
                self._prober.receive_ping(message, source)
            case Ack():
                self._prober.receive_ack(message, source, now)
            case Nack():
                self._prober.receive_nack(message)
            case IndirectPing():
                self._prober.receive_indirect_ping(message, source, now)
            case Alive():
                self._claims.alive(message, now, source=source.host)
                self._remind(message, now)
            case Suspect():
                self._claims.suspect(message, now)
            case Dead():
                self._claims.dead(message, now)
            case UserMessage():
                self._events.append(UserMessageReceived(message.payload, now))
            case _:
                raise AssertionError(f"{type(message).__name__} does not travel in a datagram")

    def _ask(self, now: float) -> None:
        for record in self._claims.take_to_ask():
            self._prober.probe(record, now)

    def _remind(self, claim: Alive, now: float) -> None:
        """Tell a member what was last known of it, when it is said to live and still counts as gone here.

        Then its incarnation was too low: it has begun anew, and joined through somebody who never knew it. Having
        been told, it outdoes its earlier life. Beyond memberlist, where it stays gone until a push/pull meets it.
        """
        record = self.table.get(claim.member)
        if record is None or not record.is_gone or record is self.table.own:
            return
        is_same_host = (claim.raw_host, claim.port) == (record.raw_host, record.port)
        reminded_at = self._reminded_at.get(record.name, -math.inf)
        if is_same_host and now >= reminded_at + self._settings.gossip_interval:
            self._reminded_at[record.name] = now
            self._outbox.send(self._claims.last_word(record), record.address, to=record)

    def handle_timer(self, now: float) -> None:
        """Do what is due. May be called early, and too often; when called late, nobody is blamed for it."""
        # Suspicions are no measure of it: a confirmation may move their end into the past.
        stalled = now - self._prober.next_deadline
        if stalled > self._settings.probe_interval and self._settings.forgives_stalls:
            self._forgive(stalled, now)
        self._claims.expire(now)
        self._prober.handle_timer(now)
        if self._push_pull_at <= now:
            self._push_pull(now)
        if self._outbox.has_broadcasts and self._gossip_due_at <= now:
            self._gossip(now)

    def get_timer(self) -> float:
        """When `handle_timer` wants to be called next."""
        due = min(self._prober.next_deadline, self._push_pull_at)
        suspicion_deadline = self._claims.next_deadline
        if suspicion_deadline is not None:
            due = min(due, suspicion_deadline)
        return min(due, self._gossip_due_at) if self._outbox.has_broadcasts else due

    def datagrams_to_send(self, now: float) -> list[Datagram]:
        """What is to be sent now."""
        return self._outbox.take_datagrams()

    def next_event(self) -> SwimEvent | None:
        """The next thing that happened, None when all have been told."""
        return self._events.popleft() if self._events else None

    # Streams.

    def streams_to_open(self, now: float) -> list[StreamRequest]:
        """Exchanges over TCP that are to be started now; each is answered with `receive_stream_reply`."""
        return self._streams.take_requests()

    def receive_stream_reply(self, request_id: int, data: bytes | None, now: float) -> None:
        """The whole reply to a request of ours, or None when there was none until its deadline."""
        pending = self._streams.finish(request_id)
        if pending is None:
            return
        message = None if data is None else self._streams.unpack(data)
        if pending.seq_no is not None:
            ack = stream_ack(message)
            if ack is not None and ack.seq_no == pending.seq_no:
                self.counters["probes_answered_over_stream_only"] += 1
                self._prober.receive_ack(ack, pending.destination, now, is_stream=True)
            return
        succeeded = isinstance(message, PushPull)
        if isinstance(message, PushPull):
            self._believe(message, pending.destination, now, is_join=pending.is_join, was_asked=True)
            if pending.is_join:
                self._claims.introduce()
        self._events.append(ExchangeFinished(pending.destination, pending.is_join, succeeded, now))

    def receive_stream(self, data: bytes, source: Address, now: float) -> bytes:
        """A whole request has come over a stream: the bytes to answer with, b"" for none."""
        message = self._streams.unpack(data)
        match message:
            case PushPull():
                reply = self._streams.pack(self._exchange.message(is_join=False))
                self._believe(message, source, now, is_join=message.is_join, was_asked=False)
                return reply
            case Ping() if message.member in ("", self.table.own_name):
                return self._streams.pack(encode_for_stream(Ack(message.seq_no)))
            case UserMessage():
                self._events.append(UserMessageReceived(message.payload, now))
                return b""
            case None if self._keyring is None:
                return self._streams.pack(encode_for_stream(ErrorMessage("the request was not understood")))
            case _:
                return b""

    def _believe(self, message: PushPull, peer: Address, now: float, *, is_join: bool, was_asked: bool) -> None:
        incarnation_before = self.table.own.incarnation
        self._exchange.merge(message, peer.host, now)
        if self.table.own.incarnation != incarnation_before:
            # The peer believed us dead, or something older, and so it may not gossip with us: tell it directly.
            record = self._exchange.member_at(peer.host, message)
            destination = peer if was_asked else record.address if record is not None else None
            if destination is not None:
                self._outbox.send(self._claims.own_alive(), destination, to=record)
        self._ask(now)
        if message.user_state:
            self._events.append(UserStateReceived(message.user_state, is_join, was_asked, peer, now))

    # What the owner may ask for.

    def exchange_with(self, destination: Address, now: float, *, is_join: bool) -> bool:
        """Start a push/pull; an `ExchangeFinished` follows. False when too many are under way."""
        message = self._exchange.message(is_join=is_join)
        pending = PendingRequest(destination, is_join, None)
        return self._streams.request(message, pending, now + self._settings.stream_timeout)

    def probe(self, name: str, now: float, *, remembered: Record | None = None) -> bool:
        """Ping a member at once, besides the ordinary rounds; False when it is not known.

        remembered: what the layer above still knows of a member that was dead for so long that it is listed no more.
        """
        record = self.table.get(name) or remembered
        if record is None or name == self.table.own_name:
            return False
        self._prober.probe(record, now)
        return True

    def announce(self, meta: bytes, now: float) -> None:
        """Announce another meta."""
        self._claims.announce(meta, now)

    def leave(self, now: float) -> None:
        """Say good-bye; probes are still answered until the owner closes the sockets."""
        self._claims.leave(now)
        self._prober.stop()
        self._push_pull_at = math.inf

    @property
    def is_good_bye_sent(self) -> bool:
        """Whether our leave has been gossiped as often as it will be."""
        return self._claims.has_left and not self._member_queue.has(self.table.own_name)

    def send_user_message(self, payload: bytes, destination: Address) -> None:
        """Send a message of the layer above straight to somebody."""
        self._outbox.send(encode(UserMessage(payload)), destination)

    def broadcast_user_message(self, payload: bytes, *, queue: int, about: str | None = None) -> None:
        """Gossip a message of the layer above. queue: 0 goes first."""
        self.user_queues[queue].push(encode(UserMessage(payload)), about=about)

    @property
    def keyring(self) -> Keyring | None:
        """The keys in use; None for plain text."""
        return self._keyring

    def use_keyring(self, keyring: Keyring) -> None:
        """Encrypt and decrypt with other keys from now on. A plain pool stays plain, for peers could not follow."""
        assert self._keyring is not None, "a pool without encryption has no keyring to replace"
        self._keyring = keyring
        self._outbox.keyring = keyring
        self._streams.keyring = keyring

    @property
    def queue_lengths(self) -> tuple[int, ...]:
        """Messages that wait to be gossiped: claims about members, then the layer above's, queue by queue."""
        return (len(self._member_queue), *map(len, self.user_queues))

    @property
    def awareness(self) -> int:
        """Our health score; 0 is healthy."""
        return self._awareness.score

    # Inner works.

    @property
    def _gossip_due_at(self) -> float:
        return self._gossiped_at + self._settings.gossip_interval

    def _gossip(self, now: float) -> None:
        """Send queued broadcasts to a few random members, the recently gone among them so that they can refute.

        Those that left, too (beyond memberlist): in whose name somebody else said good-bye hears of it and denies it.
        """
        self._gossiped_at = now
        told_since = now - self._settings.gossip_to_the_dead
        targets = self.table.pick(
            self._settings.gossip_targets, lambda record: not record.is_gone or record.changed_at > told_since
        )
        if not targets:
            self._outbox.drop_broadcasts()
        for record in targets:
            if not self._outbox.gossip(record):
                return

    def _push_pull(self, now: float) -> None:
        members = len(self.table)
        scale = 1 if members <= _PUSH_PULL_SCALE_FROM else math.ceil(math.log2(members) - 5) + 1
        self._push_pull_at = now + self._settings.push_pull_interval * scale
        self._reminded_at.clear()
        for record in self.table.pick(1, lambda record: record.state is MemberState.ALIVE):
            self.exchange_with(record.address, now, is_join=False)

    def _ping_over_stream(self, target: Record, message: bytes, deadline: float, seq_no: int) -> None:
        self._streams.request(message, PendingRequest(target.address, False, seq_no), deadline)

    def _forgive(self, stalled: float, now: float) -> None:
        """We have been paused. Answers may lie unread in the socket, so nobody's time was running meanwhile."""
        self.counters["stalls"] += 1
        self._awareness.apply(1)
        self._claims.forgive(stalled)
        self._prober.abandon(now)
