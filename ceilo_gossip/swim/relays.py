"""Pings that other members want us to send for them, because they have had no answer themselves.

We ping the member, pass its ack on with the asker's number, and at 80 % of probe_timeout say "no answer" (a nack), as
in the Lifeguard paper. Two rules beyond memberlist, so that a packet to us cannot make us send to just anybody:

* We ask only where we ourselves know that member to live. Somebody we do not know yet, or know elsewhere, is not
  asked; the asker gets its nack, for we live and hear him, and has other relays.
* The answer goes where `asker_address` says.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from ceilo_gossip.swim.outbox import Outbox
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.table import Record, Table
from ceilo_gossip.wire.address import Address, raw_to_host
from ceilo_gossip.wire.codec import encode
from ceilo_gossip.wire.messages import Ack, IndirectPing, Nack, Ping

# Under way for others. A member is asked by at most a few others in one interval; beyond it requests are dropped.
MAX_RELAYS = 256


@dataclass(frozen=True, slots=True)
class _Relay:
    """One that runs. seq_no: the asker's number. asker: who asks, if we know a member there."""

    seq_no: int
    reply_to: Address
    asker: Record | None
    expires_at: float


class Relays:
    """Those of one pool. They all take equally long, so the first to begin is the first to end."""

    def __init__(
        self,
        settings: SwimSettings,
        table: Table,
        outbox: Outbox,
        counters: Counter[str],
        take_seq_no: Callable[[], int],
    ) -> None:
        """take_seq_no: gives numbers that no other ping of ours has."""
        self._settings = settings
        self._table = table
        self._outbox = outbox
        self._counters = counters
        self._take_seq_no = take_seq_no
        self._relays: dict[int, _Relay] = {}
        self._nacks: deque[tuple[float, int]] = deque()

    @property
    def next_deadline(self) -> float | None:
        """When something of this has to be done."""
        if self._nacks:
            return self._nacks[0][0]
        return next(iter(self._relays.values())).expires_at if self._relays else None

    def is_using(self, seq_no: int) -> bool:
        """Whether a ping under way has this number."""
        return seq_no in self._relays

    def receive_request(self, request: IndirectPing, source: Address, now: float) -> None:
        """Somebody wants us to ask whether another one is there."""
        # A relay that was answered leaves its nack behind until that would have been due.
        if max(len(self._relays), len(self._nacks)) >= MAX_RELAYS:
            self._counters["relays_over_limit"] += 1
            return
        own = self._table.own
        reply_to, asker = asker_address(self._table, request, source)
        seq_no = self._take_seq_no()
        timeout = self._settings.probe_timeout
        self._relays[seq_no] = _Relay(request.seq_no, reply_to, asker, now + timeout)
        if request.wants_nack:
            self._nacks.append((now + timeout * self._settings.nack_fraction, seq_no))
        target = self._table.get(request.member)
        wanted = Address(raw_to_host(request.target_raw_host), request.target_port or own.port)
        if target is None or target is own or target.address != wanted:
            self._counters["pings_to_strangers"] += 1
            return
        self._outbox.send(encode(Ping(seq_no, target.name, own.raw_host, own.port, own.name)), wanted, to=target)

    def receive_ack(self, ack: Ack, now: float) -> bool:
        """Pass an ack on; False when it answers no ping of these."""
        relay = self._relays.pop(ack.seq_no, None)
        if relay is None:
            return False
        if now <= relay.expires_at:
            self._counters["acks_relayed"] += 1
            self._outbox.send(encode(Ack(relay.seq_no)), relay.reply_to, to=relay.asker)
        return True

    def handle_timer(self, now: float) -> None:
        """Say of whom we have heard nothing, and forget what is over."""
        while self._nacks and self._nacks[0][0] <= now:
            relay = self._relays.get(self._nacks.popleft()[1])
            if relay is not None:
                self._counters["nacks_sent"] += 1
                self._outbox.send(encode(Nack(relay.seq_no)), relay.reply_to, to=relay.asker)
        while self._relays:
            seq_no, relay = next(iter(self._relays.items()))
            if relay.expires_at > now:
                return
            del self._relays[seq_no]


def asker_address(table: Table, request: Ping | IndirectPing, source: Address) -> tuple[Address, Record | None]:
    """Where an answer goes, and the member that is known to live there, if there is one.

    Where the request says (a host may send from another of its addresses than it announces), as long as that is the
    sender's host or the home of the member that it says to be; else back to where the packet came from. memberlist
    answers wherever the request says.
    """
    wanted = request.reply_to or source
    record = table.get(request.source)
    if record is not None and record.address == wanted:
        return wanted, record
    return (wanted if wanted.host == source.host else source), None
