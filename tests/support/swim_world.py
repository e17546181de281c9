"""A pool of bare SWIM cores, thousands if need be, over links in virtual time that lose, delay and carry streams.

Like `gossip_world`, without Serf and made for numbers: finding a member by its address, a packet and a timer cost the
same in a pool of ten and of ten thousand. Members that know the same share the records of it.

Links: each packet is lost with probability `loss` (a member's own link may lose more) and takes 0.2 to 2 ms. Streams
lose their packets too and send them again as TCP does (a connection after 1 s, 2 s, ...; what follows after 0.2 s,
0.4 s, ...), so that loss delays them.
"""

import heapq
import ipaddress
import math
import random
from collections.abc import Callable, Sequence

from ceilo_gossip.swim.answers import Answer
from ceilo_gossip.swim.events import MemberFailed, SwimEvent
from ceilo_gossip.swim.output import StreamRequest
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.swim.swim import Identity, Swim
from ceilo_gossip.swim.table import Record
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import OUR_VERSION

PORT = 7946
_FIRST_HOST = int(ipaddress.ip_address("10.0.0.1"))
_SHORTEST, _LONGEST = 0.0002, 0.002  # seconds on a link
_CONNECT_AGAIN, _SEND_AGAIN = 1.0, 0.2  # Linux's first retransmission of a SYN, and its shortest of anything else
_GIVE_UP = 60.0  # far beyond any deadline
# So many orders of probing are drawn at most; members beyond share one, each beginning at another place.
_ORDERS = 1000


class Simulated:
    """One member, and what the world knows of it."""

    __slots__ = ("address", "due", "is_paused", "is_running", "loss", "name", "number", "swim", "unread")

    def __init__(self, number: int, swim: Swim, name: str, address: Address) -> None:
        self.number = number
        self.swim = swim
        self.name = name
        self.address = address
        self.is_running = True
        self.is_paused = False
        self.loss = 0.0  # of its own link, both ways, besides the world's
        self.due = math.inf
        self.unread: list[tuple[bytes, Address]] = []


class SwimWorld:
    """The members, the links and the clock. The seed decides every loss, delay and choice."""

    def __init__(
        self,
        count: int,
        settings: SwimSettings,
        *,
        seed: int = 1,
        loss: float = 0.0,
        meta: bytes = b"",
        others: SwimSettings | None = None,
    ) -> None:
        """`count` members that know nobody yet; see `introduce` and `join`. others: settings of each second one."""
        self.now = 0.0
        self.loss = loss
        self.datagrams = 0
        self.datagram_bytes = 0
        self.streams = 0
        self.stream_bytes = 0
        self.on_event: Callable[[Simulated, SwimEvent], None] = lambda member, event: None
        self.rng = random.Random(seed)
        self._settings = (settings, others or settings)
        self._queue: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._order = 0
        self.members = [self._start(number, meta) for number in range(count)]
        self._by_address = {member.address: member for member in self.members}

    def _start(self, number: int, meta: bytes) -> Simulated:
        name, address = f"host-{number}", Address(str(ipaddress.ip_address(_FIRST_HOST + number)), PORT)
        swim = Swim(
            Identity(name, address, meta),
            self._settings[number % 2],
            local_state=lambda: b"",
            ack_payload=lambda: b"",
            rng=random.Random(self.rng.getrandbits(64)),
            now=self.now,
        )
        return Simulated(number, swim, name, address)

    # How the pool comes to be.

    def introduce(self) -> None:
        """Everybody knows everybody and has been answered by all, as in a pool that has lived for long.

        What such a pool has come to is set directly, or a pool of ten thousand would spend the day with joining.
        """
        records = {}
        for member in self.members:
            own = member.swim.table.own
            records[own.name] = Record(
                own.name, own.raw_host, own.port, own.meta, OUR_VERSION, 1, MemberState.ALIVE, self.now
            )
        names = list(records)
        answered = dict.fromkeys(names, Answer(self.now, None))
        orders = [self.rng.sample(names, len(names)) for _ in range(min(_ORDERS, len(names)))]
        for member in self.members:
            order, start = orders[member.number % len(orders)], self.rng.randrange(len(names))
            table = member.swim.table
            table._records = records.copy()
            table._order = order[start:] + order[:start]
            table.answers._answers = answered.copy()
            member.swim._push_pull_at = self.now + self.rng.uniform(
                0.0, push_pull_interval(self._settings[0], len(names))
            )
            self._flush(member)

    def join(self, contacts: Sequence[Simulated]) -> None:
        """Everybody asks these to be let in, one after the other in the first second."""
        for member in self.members:
            self._at(self.now + self.rng.random(), self._ask_to_join, member, contacts)

    def _ask_to_join(self, member: Simulated, contacts: Sequence[Simulated]) -> None:
        for contact in contacts:
            if contact is not member:
                member.swim.exchange_with(contact.address, self.now, is_join=True)
        self._flush(member)

    @property
    def everybody_knows_everybody(self) -> bool:
        return all(
            len(member.swim.table) == len(self.members)
            and all(record.state is MemberState.ALIVE for record in member.swim.table)
            for member in self.members
        )

    # Faults.

    @property
    def running(self) -> list[Simulated]:
        return [member for member in self.members if member.is_running]

    def kill(self, member: Simulated) -> None:
        member.is_running = False

    def pause(self, member: Simulated, seconds: float) -> None:
        """Let its process stand still; what comes meanwhile waits in its socket and is read first."""
        if member.is_running and not member.is_paused:
            member.is_paused = True
            self._at(self.now + seconds, self._resume, member)

    def _resume(self, member: Simulated) -> None:
        member.is_paused = False
        unread, member.unread = member.unread, []
        for data, source in unread:
            member.swim.receive_datagram(data, source, self.now)
        member.swim.handle_timer(self.now)
        self._flush(member)

    # Time.

    def at(self, instant: float, deed: Callable[[], None]) -> None:
        """Do something then."""
        self._at(instant, deed)

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.run_until(lambda: False, within=seconds)

    def run_until(self, fact: Callable[[], bool], *, within: float) -> bool:
        """Let time pass until something is true, for so long at most; whether it is. Asked ten times a second."""
        end = self.now + within
        while not fact():
            if self.now >= end:
                return False
            self._run_to(min(end, self.now + 0.1))
        return True

    def _run_to(self, end: float) -> None:
        queue = self._queue
        while queue and queue[0][0] <= end:
            at, _, action, arguments = heapq.heappop(queue)
            self.now = at
            action(*arguments)
        self.now = end

    def _at(self, at: float, action: Callable[..., None], *arguments: object) -> None:
        self._order += 1
        heapq.heappush(self._queue, (at, self._order, action, arguments))

    # The endpoint's part.

    def _flush(self, member: Simulated) -> None:
        swim = member.swim
        while (event := swim.next_event()) is not None:
            self.on_event(member, event)
        for datagram in swim.datagrams_to_send(self.now):
            self.datagrams += 1
            self.datagram_bytes += len(datagram.data)
            if not self._is_lost(member, self._by_address.get(datagram.destination)):
                at = self.now + self.rng.uniform(_SHORTEST, _LONGEST)
                self._at(at, self._arrive, datagram.destination, datagram.data, member.address)
        for request in swim.streams_to_open(self.now):
            self._dial(member, request)
        due = swim.get_timer()
        if due != member.due:
            member.due = due
            if due < math.inf:
                self._at(max(due, self.now), self._fire, member, due)

    def _is_lost(self, source: Simulated, target: Simulated | None) -> bool:
        kept = (1 - self.loss) * (1 - source.loss) * (1 - (target.loss if target is not None else 0.0))
        return kept < 1 and self.rng.random() >= kept

    def _fire(self, member: Simulated, due: float) -> None:
        if member.due == due and member.is_running and not member.is_paused:
            member.due = math.inf
            member.swim.handle_timer(self.now)
            self._flush(member)

    def _arrive(self, destination: Address, data: bytes, source: Address) -> None:
        member = self._by_address.get(destination)
        if member is None or not member.is_running:
            return
        if member.is_paused:
            member.unread.append((data, source))
            return
        member.swim.receive_datagram(data, source, self.now)
        self._flush(member)

    def _dial(self, member: Simulated, request: StreamRequest) -> None:
        self.streams += 1
        target = self._by_address.get(request.destination)
        delay = self._delay(member, target, _CONNECT_AGAIN) + self._delay(member, target, _SEND_AGAIN)
        if self.now + delay < request.deadline:
            self._at(self.now + delay, self._answer, member, request)
        else:
            self._at(request.deadline, self._reply, member, request.id, None)

    def _delay(self, source: Simulated, target: Simulated | None, again_after: float) -> float:
        """Of one round trip that is repeated until neither way loses it."""
        delay = 2 * self.rng.uniform(_SHORTEST, _LONGEST)
        while self._is_lost(source, target) or self._is_lost(source, target):
            delay += again_after
            again_after *= 2
            if delay > _GIVE_UP:
                break
        return delay

    def _answer(self, member: Simulated, request: StreamRequest) -> None:
        target = self._by_address.get(request.destination)
        if target is None or not target.is_running or target.is_paused:
            self._at(request.deadline, self._reply, member, request.id, None)
            return
        caller = Address(member.address.host, 40000 + request.id % 20000)
        reply = target.swim.receive_stream(request.data, caller, self.now)
        self.stream_bytes += len(request.data) + len(reply)
        self._flush(target)
        self._reply(member, request.id, reply or None)

    def _reply(self, member: Simulated, request_id: int, data: bytes | None) -> None:
        if member.is_running and not member.is_paused:
            member.swim.receive_stream_reply(request_id, data, self.now)
            self._flush(member)


def push_pull_interval(settings: SwimSettings, members: int) -> float:
    """Seconds from one push/pull of a member to its next, as memberlist's formula says."""
    return settings.push_pull_interval * (1 if members <= 32 else math.ceil(math.log2(members) - 5) + 1)


def is_false(world: SwimWorld, event: SwimEvent) -> bool:
    """Whether somebody has declared failed who runs."""
    return isinstance(event, MemberFailed) and world.members[int(event.name.partition("-")[2])].is_running
