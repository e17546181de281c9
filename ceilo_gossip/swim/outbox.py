"""What waits to be sent, and what rides along: queued broadcasts fill the room that a packet has left."""

from collections import Counter
from collections.abc import Sequence

from ceilo_gossip.swim.broadcasts import BroadcastQueue
from ceilo_gossip.swim.output import Datagram
from ceilo_gossip.swim.table import Record, Table
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.keyring import OVERHEAD, Keyring
from ceilo_gossip.wire.packet import COMPOUND_OVERHEAD, MAX_PARTS, PART_OVERHEAD, pack_datagram

# The owner fetches after each verb; the largest honest burst is one refutation to every member.
MAX_WAITING = 4096
# In each fourth packet users go first, each of their queues in turn. When a whole pool joins at once, members have
# something to say of each other, and intents to announce, in every packet for minutes, and a query or an event must not
# wait for the end of it. A share of each packet would not do: a query may need all of one.
USERS_TURN = 4
# Receivers of this memberlist protocol expect to meet checksums.
_CRC_PROTOCOL = 5


class Outbox:
    """Packets in the making. Beyond MAX_WAITING new ones are dropped and counted: UDP promises nothing."""

    __slots__ = ("_counters", "_label", "_limit", "_orders", "_queues", "_table", "_turn", "_waiting", "keyring")

    def __init__(
        self,
        table: Table,
        queues: Sequence[BroadcastQueue],
        counters: Counter[str],
        *,
        keyring: Keyring | None,
        label: bytes,
        datagram_limit: int,
    ) -> None:
        """queues: emptied in this order, so what members say of each other (the first) goes before what users say.

        keyring: may be replaced by another one later.
        """
        self._table = table
        self._queues = queues
        users = tuple(queues[1:])
        self._orders = [(*users[first:], *users[:first], queues[0]) for first in range(len(users))]
        self._turn = 0
        self._counters = counters
        self.keyring = keyring
        self._label = label
        overhead = COMPOUND_OVERHEAD + (2 + len(label) if label else 0) + (OVERHEAD if keyring else 0)
        self._limit = datagram_limit - overhead
        for queue in queues:
            queue.longest = self._limit - PART_OVERHEAD
        self._waiting: list[Datagram] = []

    @property
    def has_broadcasts(self) -> bool:
        return any(self._queues)

    def drop_broadcasts(self) -> None:
        """There is nobody to tell; whoever comes learns all of it in a push/pull."""
        for queue in self._queues:
            queue.clear()

    def send(self, message: bytes, destination: Address, *, to: Record | None = None) -> None:
        """Send a message, and with it what else fits when it is for a member.

        to: the member that is known to live there. A stranger gets nothing but what he asked for, so that a small
        packet with a false sender cannot draw a large one, nor use up what is meant for members.
        """
        parts = [message]
        if to is not None:
            parts += self._take(self._limit - len(message) - PART_OVERHEAD, to.name)
        self._pack(parts, destination, to)

    def send_both(self, first: bytes, second: bytes, destination: Address, *, to: Record) -> None:
        """Send two messages in one packet."""
        self._pack([first, second], destination, to)

    def gossip(self, to: Record) -> bool:
        """Send a member a packet of broadcasts; False when there are none left."""
        parts = self._take(self._limit, to.name)
        if not parts:
            return False
        self._pack(parts, to.address, to)
        return True

    def _take(self, budget: int, to: str) -> list[bytes]:
        if not self.has_broadcasts:
            return []
        self._turn += 1
        turn, is_later = divmod(self._turn, USERS_TURN)
        taken: list[bytes] = []
        for queue in self._queues if is_later else self._orders[turn % len(self._orders)]:
            if queue:
                room = MAX_PARTS - 1 - len(taken)
                more = queue.take(budget=budget, overhead=PART_OVERHEAD, at_most=room, members=len(self._table), to=to)
                budget -= sum(len(message) + PART_OVERHEAD for message in more)
                taken += more
        return taken

    def _pack(self, parts: Sequence[bytes], destination: Address, to: Record | None) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._counters["datagrams_over_limit"] += 1
            return
        # An authenticated packet needs no checksum.
        with_crc = self.keyring is None and to is not None and to.protocol_limit >= _CRC_PROTOCOL
        data = pack_datagram(parts, keyring=self.keyring, label=self._label, with_crc=with_crc)
        self._waiting.append(Datagram(data, destination))

    def take_datagrams(self) -> list[Datagram]:
        """All that waits; it is then the owner's."""
        waiting, self._waiting = self._waiting, []
        return waiting
