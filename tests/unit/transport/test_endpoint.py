"""The endpoint on real sockets of the loopback network. Every wait is for a fact, with a deadline."""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ceilo_gossip.serf.events import Event, LeaveFinished, MemberJoined
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.swim.output import Datagram
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.transport import streams
from ceilo_gossip.transport.endpoint import Endpoint
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.codec import decode_from_stream, encode, encode_for_stream
from ceilo_gossip.wire.coordinate import encode_coordinate
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Ack, Ping
from ceilo_gossip.wire.packet import unpack_datagram

# The profile for one machine, hurried: these tests wait for real time to pass.
QUICK = replace(
    SwimSettings.local(),
    probe_interval=0.2,
    probe_timeout=0.08,
    gossip_interval=0.02,
    suspicion_multiplier=2,
    stream_timeout=0.5,
)
LIMIT = 60.0  # seconds until a fact that should come true counts as never; a loaded machine is slow, not wrong


def free_port(host: str) -> int:
    """A port that is free for both protocols now."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind((host, 0))
        port: int = tcp.getsockname()[1]
        udp.bind((host, port))
        return port


@dataclass
class Peer:
    """One endpoint and what it told."""

    endpoint: Endpoint
    address: Address
    events: list[Event] = field(default_factory=list)

    def sees(self, name: str) -> MemberState | None:
        member = self.endpoint.serf.members().get(name)
        return None if member is None else member.state


@dataclass
class Pool:
    """Endpoints that are closed at the end."""

    peers: list[Peer] = field(default_factory=list)

    async def start(self, name: str, *, keyring: Keyring | None = None, join: Peer | None = None) -> Peer:
        host = f"127.0.0.{len(self.peers) + 21}"
        address = Address(host, free_port(host))
        settings = SerfSettings(name, address, keyring=keyring, swim=QUICK, join_retry_first=0.1, leave_linger=0.1)
        serf = Serf(settings, rng=random.Random(len(self.peers)), now=time.monotonic())
        events: list[Event] = []
        peer = Peer(Endpoint(serf, bind=address, clock=time.monotonic, on_event=events.append), address, events)
        await peer.endpoint.start()
        self.peers.append(peer)
        if join is not None:
            serf.join([join.address], time.monotonic())
            peer.endpoint.poke()
        return peer


@contextlib.asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    opened = Pool()
    try:
        yield opened
    finally:
        for peer in opened.peers:
            await peer.endpoint.close()


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not fact():
            await asyncio.sleep(0.01)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


@pytest.mark.parametrize("keyring", [None, Keyring([bytes(32)])])
def test_peers_join_notice_a_death_and_a_leave(keyring: Keyring | None) -> None:
    async def story() -> None:
        async with pool() as opened:
            first = await opened.start("one", keyring=keyring)
            second = await opened.start("two", keyring=keyring, join=first)
            third = await opened.start("three", keyring=keyring, join=first)
            await until(lambda: all(len(peer.endpoint.serf.members()) == 3 for peer in opened.peers))
            assert any(isinstance(event, MemberJoined) and event.name == "three" for event in second.events)
            await third.endpoint.close()
            await until(lambda: first.sees("three") is MemberState.DEAD and second.sees("three") is MemberState.DEAD)
            second.endpoint.serf.leave(time.monotonic())
            second.endpoint.poke()
            await until(lambda: any(isinstance(event, LeaveFinished) for event in second.events))
            await until(lambda: first.sees("two") is MemberState.LEFT)

    run(story)


def test_join_address_that_is_not_there_yet_is_tried_again() -> None:
    async def story() -> None:
        async with pool() as opened:
            early = await opened.start("early")
            host = "127.0.0.22"
            late_address = Address(host, free_port(host))
            early.endpoint.serf.join([late_address], time.monotonic())
            early.endpoint.poke()
            await until(lambda: early.endpoint.counters["stream_out_ConnectionRefusedError"] >= 1)
            settings = SerfSettings("late", late_address, swim=QUICK)
            late = Serf(settings, rng=random.Random(5), now=time.monotonic())
            endpoint = Endpoint(late, bind=late_address, clock=time.monotonic, on_event=lambda event: None)
            await endpoint.start()
            opened.peers.append(Peer(endpoint, late_address))
            await until(lambda: early.sees("late") is MemberState.ALIVE)

    run(story)


def test_address_in_use_is_an_error_and_releases_what_it_took() -> None:
    async def story() -> None:
        async with pool() as opened:
            first = await opened.start("one")
            settings = SerfSettings("two", first.address, swim=QUICK)
            serf = Serf(settings, rng=random.Random(1), now=time.monotonic())
            second = Endpoint(serf, bind=first.address, clock=time.monotonic, on_event=lambda event: None)
            with pytest.raises(OSError):
                await second.start()
            await first.endpoint.close()
            await second.start()
            await second.close()
            await second.close()

    run(story)


def test_stream_ping_is_answered_however_it_is_cut_into_pieces() -> None:
    async def story() -> None:
        async with pool() as opened:
            peer = await opened.start("one")
            reader, writer = await asyncio.open_connection(peer.address.host, peer.address.port)
            for byte in encode_for_stream(Ping(9, "one")):
                writer.write(bytes((byte,)))
                await writer.drain()
            assert decode_from_stream(await reader.read()) == Ack(9)
            writer.close()

    run(story)


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.0\r\n\r\n", b"\x0a\xff\xff\xff\xff", b"\x06\xc1", b"\x06"])
def test_junk_on_a_stream_ends_the_stream_only(junk: bytes) -> None:
    async def story() -> None:
        async with pool() as opened:
            peer = await opened.start("one")
            reader, writer = await asyncio.open_connection(peer.address.host, peer.address.port)
            writer.write(junk)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            second = await opened.start("two", join=peer)
            await until(lambda: second.sees("one") is MemberState.ALIVE)

    run(story)


def test_silent_stream_is_closed_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "INCOMING_DEADLINE", 0.1)

    async def story() -> None:
        async with pool() as opened:
            peer = await opened.start("one")
            reader, writer = await asyncio.open_connection(peer.address.host, peer.address.port)
            async with asyncio.timeout(LIMIT):
                assert await reader.read() == b""
            assert peer.endpoint.counters["stream_in_TimeoutError"] == 1
            writer.close()

    run(story)


async def dial(peer: Peer, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream to the peer from another address of the loopback network."""
    return await asyncio.open_connection(peer.address.host, peer.address.port, local_addr=(host, 0))


async def is_answered(peer: Peer, host: str) -> bool:
    """Whether the peer answers a ping over a stream from there."""
    reader, writer = await dial(peer, host)
    writer.write(encode_for_stream(Ping(9, "one")))
    async with asyncio.timeout(LIMIT):
        try:
            return await reader.read() == encode_for_stream(Ack(9))
        except ConnectionResetError:
            return False
        finally:
            writer.close()


def test_one_host_cannot_take_the_streams_of_all() -> None:
    async def story() -> None:
        async with pool() as opened:
            peer = await opened.start("one")
            hanging = [await dial(peer, "127.0.0.2") for _ in range(streams.MAX_INCOMING_OF_ONE_HOST + 3)]
            await until(lambda: peer.endpoint.counters["stream_in_over_limit_of_host"] == 3)
            assert not await is_answered(peer, "127.0.0.2"), "it has taken all that it gets"
            assert await is_answered(peer, "127.0.0.3")
            for _, writer in hanging:
                writer.close()

    run(story)


def test_streams_left_hanging_by_many_hosts_make_way_for_a_new_one() -> None:
    async def story() -> None:
        async with pool() as opened:
            peer = await opened.start("one")
            hanging = []
            for number in range(streams.MAX_INCOMING):
                hanging.append(await dial(peer, f"127.0.1.{1 + number % 250}"))
            oldest = hanging[0][0]
            assert await is_answered(peer, "127.0.0.3")
            async with asyncio.timeout(LIMIT):
                assert await oldest.read() == b"", "the oldest went"
            assert peer.endpoint.counters["stream_in_over_limit"] == 1
            for _, writer in hanging:
                writer.close()

    run(story)


def test_what_incoming_streams_hold_is_bounded_and_the_largest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_INCOMING_LENGTH", 3_000_000)

    async def story() -> None:
        async with pool() as opened:
            peer = await opened.start("one")
            announced = b"\x0a" + (4_000_000).to_bytes(4, "big")
            small_reader, small = await dial(peer, "127.0.0.2")
            small.write(announced + bytes(500_000))
            large_reader, large = await dial(peer, "127.0.0.3")
            large.write(announced + bytes(3_000_000))
            with contextlib.suppress(ConnectionResetError):
                async with asyncio.timeout(LIMIT):
                    assert await large_reader.read() == b""
            assert peer.endpoint.counters["stream_in_over_length"] == 1
            small.write(bytes(500_000))
            await small.drain()
            assert not small_reader.at_eof()
            assert await is_answered(peer, "127.0.0.4")
            small.close()
            large.close()

    run(story)


def test_stream_that_drips_is_closed_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "INCOMING_DEADLINE", 0.3)

    async def story() -> None:
        async with pool() as opened:
            peer = await opened.start("one")
            reader, writer = await dial(peer, "127.0.0.2")
            writer.write(b"\x0a" + (4_000_000).to_bytes(4, "big"))
            dripped = 0
            while not reader.at_eof() and not peer.endpoint.counters["stream_in_TimeoutError"]:
                writer.write(b"x")
                dripped += 1
                await asyncio.wait([asyncio.ensure_future(reader.read(1))], timeout=0.02)
            assert 0 < dripped < 4_000_000
            writer.close()

    run(story)


def test_peer_that_does_not_take_its_answer_holds_no_stream_beyond_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "INCOMING_DEADLINE", 0.3)

    async def story() -> None:
        async with pool() as opened:
            peer = await opened.start("one")
            # More than both sides' socket buffers take, so that it cannot be written without a reader.
            monkeypatch.setattr(peer.endpoint._streams, "_answer", lambda data, source: bytes(20_000_000))
            reader, writer = await dial(peer, "127.0.0.2")
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(encode_for_stream(Ping(9, "one")))
            await until(lambda: peer.endpoint.counters["stream_in_TimeoutError"] == 1)
            await until(lambda: not peer.endpoint._streams._tasks)
            writer.close()

    run(story)


def test_plain_stream_to_an_encrypted_pool_gets_no_answer() -> None:
    async def story() -> None:
        async with pool() as opened:
            peer = await opened.start("one", keyring=Keyring([bytes(32)]))
            assert not await is_answered(peer, "127.0.0.2")
            assert peer.endpoint.counters["stream_in_DecryptError"] == 1

    run(story)


def test_junk_and_strangers_packets_are_counted_and_harmless() -> None:
    async def story() -> None:
        async with pool() as opened:
            peer = await opened.start("one")
            with socket.socket(type=socket.SOCK_DGRAM) as stranger:
                stranger.bind(("127.0.0.1", 0))
                stranger.setblocking(False)
                for junk in (b"", b"\xff" * 1000, bytes(60000)):
                    stranger.sendto(junk, (peer.address.host, peer.address.port))
                stranger.sendto(encode(Ping(3, "one")), (peer.address.host, peer.address.port))
                async with asyncio.timeout(LIMIT):
                    answer = await asyncio.get_running_loop().sock_recv(stranger, 2000)
            assert unpack_datagram(answer).messages == (Ack(3, encode_coordinate(peer.endpoint.serf.coordinate)),)
            assert peer.endpoint.serf.counters["datagrams_refused_WireError"] == 3

    run(story)


class SocketWithoutRoute:
    """A UDP socket on a network that has gone."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real

    def sendto(self, data: bytes, destination: tuple[str, int]) -> int:
        raise OSError(101, "Network is unreachable")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_network_that_goes_and_comes_back_is_survived() -> None:
    async def story() -> None:
        async with pool() as opened:
            first = await opened.start("one")
            second = await opened.start("two", join=first)
            await until(lambda: first.sees("two") is MemberState.ALIVE)
            packets = first.endpoint._packets
            real = packets._socket
            assert real is not None
            packets._socket = SocketWithoutRoute(real)  # type: ignore[assignment]
            await until(lambda: first.endpoint.counters["send_OSError"] >= 3)
            packets._socket = real
            await until(lambda: second.sees("one") is MemberState.ALIVE and first.sees("two") is MemberState.ALIVE)

    run(story)


class FullSocket:
    """A UDP socket whose send buffer has no room until somebody says so."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.has_room = False

    def sendto(self, data: bytes, destination: tuple[str, int]) -> int:
        if not self.has_room:
            raise BlockingIOError
        return self._real.sendto(data, destination)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_packets_that_find_no_room_wait_for_it_in_order_and_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ceilo_gossip.transport.packets.MAX_UNSENT", 3)

    async def story() -> None:
        async with pool() as opened:
            peer = await opened.start("one")
            with socket.socket(type=socket.SOCK_DGRAM) as other:
                other.bind(("127.0.0.1", 0))
                other.setblocking(False)
                destination = Address(*other.getsockname())
                packets = peer.endpoint._packets
                assert packets._socket is not None
                full = FullSocket(packets._socket)
                packets._socket = full  # type: ignore[assignment]
                for number in range(5):
                    packets.send(Datagram(bytes((number,)), destination))
                assert peer.endpoint.counters["send_over_limit"] == 2
                full.has_room = True
                async with asyncio.timeout(LIMIT):
                    came = [await asyncio.get_running_loop().sock_recv(other, 10) for _ in range(3)]
                assert came == [b"\0", b"\1", b"\2"]
                packets.send(Datagram(b"\7", destination))
                async with asyncio.timeout(LIMIT):
                    assert await asyncio.get_running_loop().sock_recv(other, 10) == b"\7"
                packets._socket = full._real

    run(story)


def test_address_that_is_not_ours_and_device_that_is_not_there_are_named_in_the_error() -> None:
    async def story() -> None:
        for address, device, named in (
            (Address("192.0.2.1", 7946), None, "cannot bind 192.0.2.1:7946: Cannot assign"),
            (
                Address("127.0.0.1", 7946),
                "no-such-dev",
                "cannot bind 127.0.0.1:7946 on device no-such-dev: No such dev",
            ),
        ):
            serf = Serf(SerfSettings("one", address, swim=QUICK), rng=random.Random(1), now=time.monotonic())
            endpoint = Endpoint(serf, bind=address, clock=time.monotonic, on_event=lambda event: None, device=device)
            with pytest.raises(OSError, match=named):
                await endpoint.start()
            await endpoint.close()

    run(story)


def test_closed_endpoint_leaves_no_task_and_no_socket() -> None:
    async def story() -> None:
        async with pool() as opened:
            peer = await opened.start("one")
            nowhere = Address("127.0.0.99", free_port("127.0.0.99"))
            with socket.socket() as deaf:
                deaf.bind((nowhere.host, nowhere.port))
                deaf.listen(1)
                peer.endpoint.serf.join([nowhere], time.monotonic())
                peer.endpoint.poke()
                await until(lambda: len(asyncio.all_tasks()) > 1)
                await peer.endpoint.close()
            assert asyncio.all_tasks() == {asyncio.current_task()}
            peer.endpoint.poke()
            with socket.socket(type=socket.SOCK_DGRAM) as again:
                again.bind((peer.address.host, peer.address.port))

    run(story)
