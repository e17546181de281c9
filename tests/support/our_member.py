"""One member of ours on real sockets, which does what an agent does with what it is told.

It lives in the caller's event loop, or in a network namespace (`space`) in the loop of a thread.
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ceilo_gossip.serf.events import (
    Event,
    KeyringChanging,
    LeaveFinished,
    QueryAcked,
    QueryAnswered,
    QueryFinished,
    QueryReceived,
)
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.serf.snapshot import Snapshot
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.transport.endpoint import Endpoint
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.keyring import Keyring
from tests.support.loop_thread import LoopThread
from tests.support.private_networks import Namespace
from tests.support.serf_agent import GOSSIP_PORT, LIMIT, POLL_INTERVAL, Seen

PROFILES: Mapping[str, Callable[[], SwimSettings]] = {"lan": SwimSettings.lan, "local": SwimSettings.local}
T = TypeVar("T")
_WORDS = {
    MemberState.ALIVE: "alive",
    MemberState.SUSPECT: "suspect",  # An agent shows such a one as alive.
    MemberState.DEAD: "failed",
    MemberState.LEFT: "left",
}


@dataclass(frozen=True, slots=True)
class Replies:
    """What came of a query of ours: who acknowledged it, and who answered what."""

    acks: Sequence[str]
    answers: Sequence[QueryAnswered]

    @property
    def texts(self) -> dict[str, str]:
        """The answers by member."""
        return {answer.member: answer.payload.decode() for answer in self.answers}


class OurMember:
    """One of ours, on real sockets.

    stored_keyring: its "disk"; a changed keyring is put there before it is used, and the next start reads it.
    replies: query name to what it answers.
    reconnect_interval: how often it dials a failed member; None for what is shipped.
    """

    def __init__(
        self, name: str, host: str, *, keyring: Keyring | None, profile: str, space: Namespace | None = None
    ) -> None:
        """host: the address that it is bound to. space: where it lives; None for where the caller is."""
        self.name = name
        self.host = host
        self.events: list[Event] = []
        self.stored_keyring = keyring
        self.replies: dict[str, bytes] = {}
        self.reconnect_interval: float | None = None
        self._swim = PROFILES[profile]()
        self._endpoint: Endpoint | None = None
        self._space = space
        self._thread: LoopThread | None = None

    @property
    def serf(self) -> Serf:
        """The member that runs now. One that lives in a namespace may be asked for figures here, and nothing else."""
        assert self._endpoint is not None, f"{self.name} does not run"
        return self._endpoint.serf

    @property
    def refused_streams(self) -> int:
        """How many exchanges over TCP it has refused for want of the key, from the first byte or all of them."""
        assert self._endpoint is not None, f"{self.name} does not run"
        at_once, whole = self._endpoint.counters, self._endpoint.serf.counters
        return at_once.get("stream_in_DecryptError", 0) + whole.get("streams_refused_DecryptError", 0)

    async def start(
        self,
        *,
        tags: Mapping[str, str] | None = None,
        join: Sequence[str] = (),
        snapshot: Snapshot | None = None,
    ) -> None:
        """Begin anew, knowing of an earlier life what the snapshot says, and look for the pool at these hosts."""
        assert self._endpoint is None, f"{self.name} runs already"
        address = Address(self.host, GOSSIP_PORT)
        settings = SerfSettings(
            self.name,
            address,
            tags=tags or {},
            keyring=self.stored_keyring,
            keyring_is_stored=True,
            swim=self._swim,
            snapshot=snapshot,
        )
        if self.reconnect_interval is not None:
            settings = replace(settings, reconnect_interval=self.reconnect_interval)
        self.events.clear()
        serf = Serf(settings, rng=random.Random(), now=time.monotonic())
        endpoint = Endpoint(serf, bind=address, clock=time.monotonic, on_event=self._take)
        if self._space is not None:
            self._thread = LoopThread(self.name, self._space)
        await self._there(endpoint.start)
        self._endpoint = endpoint
        await self.act(lambda serf, now: serf.join([Address(host, GOSSIP_PORT) for host in join], now))

    async def act(self, deed: Callable[[Serf, float], T]) -> T:
        """Do something with the member, or ask it something, where it lives."""
        endpoint = self._endpoint
        assert endpoint is not None, f"{self.name} does not run"

        async def there() -> T:
            result = deed(endpoint.serf, time.monotonic())
            endpoint.poke()
            return result

        return await self._there(there)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Announce other tags; only for one that lives in the caller's loop."""
        assert self._thread is None, "use act()"
        self.serf.set_tags(tags, time.monotonic())
        self._poke()

    async def round_trip(self, one: str, other: str) -> float | None:
        """What it estimates, in seconds; None when it does not know where one of them is."""
        return self.serf.estimate_round_trip(one, other)

    def go_far(self, round_trip: float) -> None:
        """From now on packets come so many seconds later, as to a host far away."""
        endpoint, serf, loop = self._endpoint, self.serf, asyncio.get_running_loop()
        assert endpoint is not None
        receive = serf.receive_datagram

        def arrive(data: bytes, source: Address) -> None:
            receive(data, source, time.monotonic())
            endpoint.poke()

        def later(data: bytes, source: Address, now: float) -> None:
            loop.call_later(round_trip, arrive, data, source)

        serf.receive_datagram = later  # type: ignore[method-assign]

    def send_event(self, name: str, payload: bytes) -> None:
        """Send a user event."""
        self.serf.send_event(name, payload, time.monotonic())
        self._poke()

    def force_leave(self, name: str, *, prune: bool) -> bool:
        """Declare that a member has left."""
        is_declared = self.serf.force_leave(name, time.monotonic(), prune=prune)
        self._poke()
        return is_declared

    async def ask(self, request: QueryRequest) -> Replies:
        """Ask the pool a query, and wait for its end."""
        number = await self.act(lambda serf, now: serf.query(request, now))
        async with asyncio.timeout(LIMIT):
            while not any(isinstance(event, QueryFinished) and event.id == number for event in list(self.events)):
                await asyncio.sleep(POLL_INTERVAL)
        acks = [event.member for event in self.events if isinstance(event, QueryAcked) and event.id == number]
        answers = [event for event in self.events if isinstance(event, QueryAnswered) and event.id == number]
        return Replies(acks, answers)

    async def leave(self) -> None:
        """Leave in good order, to the end."""
        await self.act(lambda serf, now: serf.leave(now))
        async with asyncio.timeout(LIMIT):
            while not any(isinstance(event, LeaveFinished) for event in list(self.events)):
                await asyncio.sleep(POLL_INTERVAL)
        await self.kill()

    async def kill(self) -> None:
        """End it without a word. No error when it does not run."""
        try:
            if self._endpoint is not None:
                endpoint, self._endpoint = self._endpoint, None
                await self._there(endpoint.close)
        finally:
            if self._thread is not None:
                thread, self._thread = self._thread, None
                thread.stop()

    def move(self, host: str, space: Namespace | None) -> None:
        """Live elsewhere from the next start on."""
        assert self._endpoint is None, f"{self.name} runs"
        self.host, self._space = host, space

    async def sees(self) -> Mapping[str, Seen]:
        """Its members, in Serf's words."""
        members = (await self.act(lambda serf, _: serf.members())).values()
        return {one.name: Seen(_WORDS[one.state], str(one.address), dict(one.tags)) for one in members}

    def _take(self, event: Event) -> None:
        """What an agent does with the events that ask for something."""
        self.events.append(event)
        if isinstance(event, KeyringChanging):
            self.stored_keyring = event.keyring
            self.serf.key_stored(event, time.monotonic())
        elif isinstance(event, QueryReceived) and event.name in self.replies:
            self.serf.answer(event, self.replies[event.name], time.monotonic())

    def _poke(self) -> None:
        assert self._endpoint is not None
        self._endpoint.poke()

    async def _there(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return await (work() if self._thread is None else self._thread.run(work()))
