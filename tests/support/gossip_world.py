"""A world of Serf members over links that lose, delay and are cut, in virtual time: nothing here waits.

Every member is the production `Serf`; only sockets and clock are replaced. Instants are virtual seconds.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ceilo_gossip.serf.events import Event
from ceilo_gossip.serf.member import Member
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.stream import StreamFramer

PORT = 7946


@dataclass
class Host:
    """One member: its core, what it told, and whether its process runs."""

    settings: SerfSettings
    serf: Serf
    events: list[Event] = field(default_factory=list)
    is_running: bool = True
    is_paused: bool = False
    timers_run: bool = False  # While paused: only messages stand still, in both directions.
    timer_due: float | None = None
    held: list[Callable[[], None]] = field(default_factory=list)  # What waits in the sockets while paused.

    @property
    def address(self) -> Address:
        return self.settings.address

    def members(self) -> Mapping[str, Member]:
        return self.serf.members()

    def sees(self, name: str) -> MemberState | None:
        member = self.serf.member(name)
        return None if member is None else member.state

    def told(self, kind: type, name: str) -> list[float]:
        return [event.at for event in self.events if type(event) is kind and event.name == name]


class GossipWorld:
    """Hosts, links and the clock. The seed decides every loss, delay and choice."""

    def __init__(self, *, seed: int = 1, loss: float = 0.0, swim: SwimSettings | None = None) -> None:
        self.now = 1000.0
        self.loss = loss
        self.packets_sent = 0
        self.timers_handled = 0
        self._rng = random.Random(seed)
        self._swim = swim or SwimSettings.lan()
        self._hosts: dict[str, Host] = {}
        self._by_address: dict[Address, Host] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._cut: set[tuple[str, str]] = set()
        # Who listens at an address without being a host: called with each packet and its source.
        self.outsiders: dict[Address, Callable[[bytes, Address], None]] = {}
        # Called with all that a host sends: its bytes, and whether it goes over a stream.
        self.on_sent: Callable[[Host, bytes, bool], None] = lambda host, data, is_stream: None

    # Building.

    def start(self, name: str, *, join: Sequence[str] = (), at: str | None = None, **settings: object) -> Host:
        """Start (or restart) a host; its address depends on the name only, or it is where `at` would be."""
        place = at or name
        defaults: dict[str, object] = {"name": name, "address": self.address_of(place), "swim": self._swim}
        chosen = SerfSettings(**{**defaults, **settings})  # type: ignore[arg-type]
        serf = Serf(chosen, rng=random.Random(self._rng.random()), now=self.now)
        host = Host(chosen, serf)
        self._hosts[place] = host
        self._by_address[host.address] = host
        if join:
            serf.join([self.address_of(other) for other in join], self.now)
        self._flush(host)
        return host

    def start_pool(self, count: int, **settings: object) -> list[Host]:
        """So many hosts h1, h2, ..., all joining through the first two."""
        return [self.start(f"h{n}", join=["h1", "h2"], **settings) for n in range(1, count + 1)]

    def address_of(self, name: str) -> Address:
        return Address(f"10.9.0.{int(name[1:])}", PORT)

    @property
    def hosts(self) -> list[Host]:
        return list(self._hosts.values())

    @property
    def running(self) -> list[Host]:
        return [host for host in self.hosts if host.is_running]

    # Faults.

    def kill(self, host: Host) -> None:
        host.is_running = False

    def pause(self, host: Host, *, timers_run: bool = False) -> None:
        """As SIGSTOP: the process stands still, its packets wait in the socket.

        timers_run: only messages stand still, as the Lifeguard paper disturbs members; what is sent waits too.
        """
        host.is_paused, host.timers_run = True, timers_run

    def resume(self, host: Host) -> None:
        """What waited is read first, as the endpoint does."""
        host.is_paused = False
        held, host.held = host.held, []
        for action in held:
            action()
        self._set_timer(host, force=True)

    def cut(self, left: Host, right: Host) -> None:
        """Nothing passes between the two, in either direction."""
        self._cut |= {(left.settings.name, right.settings.name), (right.settings.name, left.settings.name)}

    def isolate(self, host: Host) -> None:
        for other in self.hosts:
            if other is not host:
                self.cut(host, other)

    def heal(self) -> None:
        self._cut.clear()

    # Time.

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        self._run_until(self.now + seconds, lambda: False)

    def run_until(self, fact: Callable[[], bool], *, within: float) -> float:
        """Let time pass until something is true: how long that took. `AssertionError` after `within` seconds."""
        began = self.now
        assert self._run_until(began + within, fact), f"did not come true within {within} s"
        return self.now - began

    def _run_until(self, end: float, fact: Callable[[], bool]) -> bool:
        while not fact():
            if not self._queue or self._queue[0][0] > end:
                self.now = end
                return fact()
            at, _, action = heapq.heappop(self._queue)
            self.now = max(self.now, at)
            action()
        return True

    def _at(self, at: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (at, next(self._order), action))

    def receive(self, host: Host, data: bytes, source: Address) -> None:
        """A packet reaches a host now, from wherever it says."""
        host.serf.receive_datagram(data, source, self.now)
        self._flush(host)

    def receive_stream(self, host: Host, data: bytes, source: Address) -> bytes:
        """A stream reaches a host now: what it answers, b"" for nothing."""
        try:
            message = StreamFramer(is_encrypted=host.serf.keyring is not None).feed(data)
        except WireError:
            return b""
        reply = b"" if message is None else host.serf.receive_stream(message, source, self.now)
        self._flush(host)
        return reply

    # The endpoint's part.

    def act(self, host: Host, deed: Callable[[Serf], object]) -> None:
        """Do something with a host's core from outside, as its owner would."""
        deed(host.serf)
        self._flush(host)

    def _flush(self, host: Host) -> None:
        while (event := host.serf.next_event()) is not None:
            host.events.append(event)
        for datagram in host.serf.datagrams_to_send(self.now):
            self.packets_sent += 1
            self.on_sent(host, datagram.data, False)
            self._carry(host, datagram.destination, datagram.data)
        for request in host.serf.streams_to_open(self.now):
            self.on_sent(host, request.data, True)
            self._dial(host, request.id, request.destination, request.data, request.deadline)
        self._set_timer(host)

    def _set_timer(self, host: Host, *, force: bool = False) -> None:
        due = host.serf.get_timer()
        if due is None or (due == host.timer_due and not force):
            return
        host.timer_due = due
        self._at(max(due, self.now), lambda: self._fire(host, due))

    def _fire(self, host: Host, due: float) -> None:
        if not host.is_running or (host.is_paused and not host.timers_run) or host.timer_due != due:
            return
        host.timer_due = None
        self.timers_handled += 1
        host.serf.handle_timer(self.now)
        self._flush(host)

    def _at_address(self, address: Address) -> Host | None:
        host = self._by_address.get(address)
        return host if host is not None and host.is_running else None

    def _reaches(self, source: Host, target: Host | None) -> bool:
        return target is not None and (source.settings.name, target.settings.name) not in self._cut

    def _carry(self, source: Host, destination: Address, data: bytes) -> None:
        if source.is_paused:
            source.held.append(lambda: self._carry(source, destination, data))
            return
        if self._rng.random() >= self.loss:
            self._at(self.now + self._rng.uniform(0.0002, 0.002), lambda: self._arrive(source, destination, data))

    def _arrive(self, source: Host, destination: Address, data: bytes) -> None:
        target = self._at_address(destination)
        if target is None and destination in self.outsiders:
            self.outsiders[destination](data, source.address)
        if target is None or not self._reaches(source, target):
            return
        if target.is_paused:
            target.held.append(lambda: self._arrive(source, destination, data))
            return
        target.serf.receive_datagram(data, source.address, self.now)
        self._flush(target)

    def _dial(self, source: Host, request_id: int, destination: Address, data: bytes, deadline: float) -> None:
        def whole(stream: bytes) -> bytes:
            message = StreamFramer().feed(stream)
            assert message == stream, "the framer must find the end of our own messages"
            return message

        is_finished = False

        def finish(reply: bytes | None) -> None:
            nonlocal is_finished
            if is_finished or not source.is_running:
                return
            if source.is_paused and not (source.timers_run and reply is None):
                source.held.append(lambda: finish(reply))
                return
            is_finished = True
            source.serf.receive_stream_reply(request_id, reply, self.now)
            self._flush(source)

        def arrive() -> None:
            target = self._at_address(destination)
            if target is None or not self._reaches(source, target):
                return
            for side in (source, target):
                if side.is_paused:
                    side.held.append(arrive)
                    return
            if is_finished:
                return
            caller = replace(source.address, port=40000 + request_id % 20000)
            reply = target.serf.receive_stream(whole(data), caller, self.now)
            self._flush(target)
            if reply:
                self.on_sent(target, reply, True)
            self._at(self.now + 0.002, lambda: finish(whole(reply) if reply else None))

        self._at(self.now + 0.002, arrive)
        self._at(max(deadline, self.now), lambda: finish(None))
