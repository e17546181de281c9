"""Push/pull: two members show each other their whole tables over a stream, and believe what is newer.

The one who answers does so before it believes anything. Hearsay never kills: a member that the other holds for dead
is only suspected here, and can refute.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ceilo_gossip.swim.claims import Claims
from ceilo_gossip.swim.output import StreamRequest
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.swim.table import Record, Table
from ceilo_gossip.wire.address import Address, raw_to_host
from ceilo_gossip.wire.codec import encode_for_stream
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Ack, Alive, Dead, Message, PushPull, RemoteRecord, Suspect
from ceilo_gossip.wire.stream import pack_stream, unpack_stream

# Exchanges of ours that may be under way: every join address once, a reconnect, a tick, pings of a round.
MAX_REQUESTS = 128
# Bytes of the records that we send. With the state of the layer above they stay below MAX_STREAM_LENGTH, beyond which
# ours refuse a stream: a pool of 10,000 whose announcements are 200 bytes long fits.
MAX_RECORDS_LENGTH = 3 * 1024 * 1024
# Bytes of a record without its name and announcement, at most.
_RECORD_LENGTH = 88


@dataclass(slots=True)
class PendingRequest:
    """A stream that we have asked for. seq_no: of the ping it carries; None for a push/pull."""

    destination: Address
    is_join: bool
    seq_no: int | None


class Streams:
    """Requests over TCP: made here, opened by the transport, and matched with their replies.

    keyring: may be replaced by another one at any time; a request already made keeps what it was packed with.
    """

    def __init__(self, counters: Counter[str], *, keyring: Keyring | None, label: bytes) -> None:
        self._counters = counters
        self.keyring = keyring
        self._label = label
        self._next_id = 1
        self._waiting: list[StreamRequest] = []
        self._pending: dict[int, PendingRequest] = {}

    def request(self, message: bytes, pending: PendingRequest, deadline: float) -> bool:
        """Have a message sent; False when too many are under way."""
        if len(self._pending) >= MAX_REQUESTS:
            self._counters["streams_over_limit"] += 1
            return False
        self._pending[self._next_id] = pending
        self._waiting.append(StreamRequest(self._next_id, pending.destination, self.pack(message), deadline))
        self._next_id += 1
        return True

    def take_requests(self) -> list[StreamRequest]:
        """Those not yet opened; they are then the transport's."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def finish(self, request_id: int) -> PendingRequest | None:
        """The request that a reply (or a failure) belongs to; it is pending no more."""
        return self._pending.pop(request_id, None)

    def pack(self, message: bytes) -> bytes:
        return pack_stream(message, keyring=self.keyring, label=self._label)

    def unpack(self, data: bytes) -> Message | None:
        """The message of a whole stream, None (and counted) when it is none."""
        try:
            return unpack_stream(data, keyring=self.keyring, label=self._label)
        except WireError as error:
            self._counters[f"streams_refused_{type(error).__name__}"] += 1
            return None


class Exchange:
    """What is said and what is believed in a push/pull."""

    def __init__(self, table: Table, claims: Claims, counters: Counter[str], local_state: Callable[[], bytes]) -> None:
        """local_state: gives the state of the layer above."""
        self._table = table
        self._claims = claims
        self._counters = counters
        self._local_state = local_state
        self._first = 0  # of those that may be left out, with whom the next message begins

    def message(self, *, is_join: bool) -> bytes:
        """Our table, encoded."""
        records = tuple(
            RemoteRecord(r.name, r.raw_host, r.port, r.meta, r.incarnation, int(r.state), r.version)
            for r in self._told()
        )
        return encode_for_stream(PushPull(is_join, records, self._local_state()))

    def _told(self) -> Iterable[Record]:
        """All members; when they do not fit, ourselves, those that have answered us, and others in turn."""
        table = self._table
        if sum(map(_length, table)) <= MAX_RECORDS_LENGTH:
            return table
        first = [record for record in table if record.name == table.own_name or table.answers.get(record.name)]
        names = {record.name for record in first}
        others = [record for record in table if record.name not in names]
        self._first %= len(others) or 1
        told: list[Record] = []
        left = MAX_RECORDS_LENGTH
        for record in (*first, *others[self._first :], *others[: self._first]):
            left -= _length(record)
            if left < 0:
                break
            told.append(record)
        self._counters["records_left_out"] += len(table) - len(told)
        self._first += max(0, len(told) - len(first))
        return told

    def merge(self, message: PushPull, peer: str, now: float) -> None:
        """Weigh each record of the other's table. peer: the host at the other end."""
        if message.refused:
            self._counters["records_refused"] += message.refused
        for record in message.records:
            match MemberState(record.state):
                case MemberState.ALIVE:
                    alive = Alive(
                        record.incarnation, record.member, record.raw_host, record.port, record.meta, record.version
                    )
                    self._claims.alive(alive, now, source=peer, is_there=raw_to_host(record.raw_host) == peer)
                case MemberState.LEFT:
                    self._claims.dead(Dead(record.incarnation, record.member, record.member), now)
                case MemberState.DEAD | MemberState.SUSPECT:
                    own_doubt = Suspect(record.incarnation, record.member, self._table.own_name)
                    self._claims.suspect(own_doubt, now)

    def member_at(self, host: str, message: PushPull) -> Record | None:
        """The member that sent this table, judged by where the stream came from."""
        for sent in message.records:
            if sent.state == MemberState.ALIVE and raw_to_host(sent.raw_host) == host:
                record = self._table.get(sent.member)
                if record is not None and record.address.host == host:
                    return record
        return None


def _length(record: Record) -> int:
    """Bytes that a record takes at most."""
    name = record.name
    return _RECORD_LENGTH + len(record.meta) + (len(name) if name.isascii() else len(name.encode("utf-8")))


def stream_ack(message: Message | None) -> Ack | None:
    """The ack that a stream ping was answered with."""
    return message if isinstance(message, Ack) else None
