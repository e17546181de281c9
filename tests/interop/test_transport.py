"""Our endpoint on a real kernel's networks: addresses and devices that go and come back, and buffers that are full.

Everything happens in a network namespace of its own, which needs root. Two members live on a pair of virtual Ethernet
devices, the second one's end in a namespace beneath; every wait is for a fact, until a deadline.
"""

import asyncio
import contextlib
import os
import random
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.swim.output import Datagram
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.transport import endpoint as endpoints
from ceilo_gossip.transport.endpoint import Endpoint
from ceilo_gossip.wire.address import Address
from tests.support.mixed_pool import loopback_of_its_own

LIMIT = 20.0  # seconds until a fact that should come true counts as never; a loaded machine is slow, not wrong
PORT = 7946
BESIDE = f"beside-{os.getpid()}"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=LIMIT, capture_output=True)


def make_device(name: str) -> None:
    """A network device that leads nowhere."""
    ip("link", "add", name, "type", "veth", "peer", "name", f"{name}-end")
    ip("link", "set", name, "up")
    ip("link", "set", f"{name}-end", "up")


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    with loopback_of_its_own():
        yield


@contextlib.asynccontextmanager
async def member(
    name: str, host: str, *, device: str | None = None, join: str | None = None
) -> AsyncIterator[Endpoint]:
    address = Address(host, PORT)
    settings = SerfSettings(name, address, swim=SwimSettings.local(), join_retry_first=0.2, reconnect_interval=1.0)
    serf = Serf(settings, rng=random.Random(1), now=time.monotonic())
    endpoint = Endpoint(serf, bind=address, clock=time.monotonic, on_event=lambda event: None, device=device)
    await endpoint.start()
    try:
        if join is not None:
            serf.join([Address(join, PORT)], time.monotonic())
            endpoint.poke()
        yield endpoint
    finally:
        await endpoint.close()


def sees(endpoint: Endpoint, name: str) -> MemberState | None:
    seen = endpoint.serf.member(name)
    return None if seen is None else seen.state


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not fact():
            await asyncio.sleep(0.02)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


async def answers(host: str) -> bool:
    """Whether somebody takes a stream there."""
    try:
        async with asyncio.timeout(1.0):
            _, writer = await asyncio.open_connection(host, PORT)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


@pytest.mark.parametrize(
    ("ours", "theirs", "length"), [("10.1.0.1", "10.1.0.2", "32"), ("fd00::1", "fd00::2", "128")], ids=["ipv4", "ipv6"]
)
def test_address_that_goes_and_comes_back_is_used_again_by_the_same_sockets(
    ours: str, theirs: str, length: str
) -> None:
    make_device("net0")
    for host in (ours, theirs):
        ip("addr", "add", f"{host}/{length}", "dev", "net0", "nodad")

    async def story() -> None:
        async with member("one", ours) as one, member("two", theirs, join=ours) as two:
            await until(lambda: sees(one, "two") is sees(two, "one") is MemberState.ALIVE)
            ip("addr", "del", f"{ours}/{length}", "dev", "net0")
            await until(lambda: sees(two, "one") is MemberState.DEAD)
            assert not await answers(ours)
            ip("addr", "add", f"{ours}/{length}", "dev", "net0", "nodad")
            await until(lambda: sees(two, "one") is MemberState.ALIVE)
            assert await answers(ours), "the listener still listens"
            await until(lambda: sees(one, "two") is MemberState.ALIVE)

    run(story)


def test_device_that_goes_down_and_up_again_is_survived() -> None:
    make_device("net0")
    ip("addr", "add", "10.1.0.1/24", "dev", "net0")
    ip("addr", "add", "10.1.0.2/24", "dev", "net0")

    async def story() -> None:
        async with member("one", "10.1.0.1") as one, member("two", "10.1.0.2", join="10.1.0.1") as two:
            await until(lambda: sees(one, "two") is MemberState.ALIVE)
            ip("link", "set", "net0", "down")
            ip("link", "set", "net0", "up")
            await until(lambda: sees(one, "two") is sees(two, "one") is MemberState.ALIVE)

    run(story)


@contextlib.contextmanager
def cable(*addresses: tuple[str, str]) -> Iterator[None]:
    """A cable "net0" from here to a namespace beside; (device, address) are set up here, or beside with "beside"."""
    ip("netns", "add", BESIDE)
    try:
        make_cable(*addresses)
        yield
    finally:
        ip("netns", "del", BESIDE)


def make_cable(*addresses: tuple[str, str]) -> None:
    ip("link", "add", "net0", "type", "veth", "peer", "name", "far0", "netns", BESIDE)
    ip("link", "set", "net0", "up")
    ip("-n", BESIDE, "link", "set", "far0", "up")
    for device, address in addresses:
        where = ("-n", BESIDE) if device == "far0" else ()
        ip(*where, "addr", "add", address, "dev", device)


def send_from_beside(payload: bytes, destination: str) -> None:
    """A packet out of the namespace at the cable's other end."""
    program = "import socket,sys;socket.socket(type=socket.SOCK_DGRAM).sendto(sys.argv[1].encode(),(sys.argv[2],7946))"
    subprocess.run(
        ["ip", "netns", "exec", BESIDE, "python3", "-c", program, payload.decode(), destination],
        check=True,
        timeout=LIMIT,
    )


@pytest.mark.parametrize("device", [None, "net0"], ids=["by address", "by device"])
def test_pool_bound_to_a_device_takes_nothing_from_another_one(device: str | None) -> None:
    make_device("mine")
    ip("addr", "add", "10.1.0.1/24", "dev", "mine")
    bound_to = "mine" if device else None
    with cable(("net0", "10.2.0.1/24"), ("far0", "10.2.0.2/24")):
        ip("-n", BESIDE, "route", "add", "10.1.0.0/24", "via", "10.2.0.1")

        async def story() -> None:
            async with member("one", "10.1.0.1", device=bound_to) as one, member("two", "10.2.0.1") as two:
                send_from_beside(b"junk", "10.1.0.1")
                send_from_beside(b"junk", "10.2.0.1")
                # The second packet took the same way later, so the first one is there by now if it ever will be.
                await until(lambda: two.serf.counters["datagrams_refused_WireError"] == 1)
                assert one.serf.counters["datagrams_refused_WireError"] == (0 if device else 1)

        run(story)


def test_streams_are_dialled_through_the_device_whatever_the_routes_say() -> None:
    make_device("other")
    ip("addr", "add", "10.9.0.1/24", "dev", "other")
    with cable(("net0", "10.2.0.1/24"), ("far0", "10.2.0.2/24")):
        # A more specific route leads astray, as a VPN's or a mistaken one would.
        ip("route", "add", "10.2.0.2/32", "dev", "other")
        ip("neigh", "add", "10.2.0.2", "lladdr", "02:00:00:00:00:01", "dev", "other")

        async def story() -> None:
            async with member("one", "10.2.0.1", device="net0", join="10.2.0.2") as one:
                # Nobody listens there, and the refusal that says so came over the cable.
                await until(lambda: one.counters["stream_out_ConnectionRefusedError"] >= 1)
            async with member("one", "10.2.0.1", join="10.2.0.2") as one:
                # There everything is swallowed.
                await until(lambda: one.counters["stream_out_TimeoutError"] >= 1)

        run(story)


def test_device_that_is_made_anew_is_bound_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "DEVICE_INTERVAL", 0.1)
    addresses = (("net0", "10.2.0.1/24"), ("far0", "10.2.0.2/24"))
    with cable(*addresses):

        async def story() -> None:
            async with member("one", "10.2.0.1", device="net0") as one:
                send_from_beside(b"junk", "10.2.0.1")
                await until(lambda: one.serf.counters["datagrams_refused_WireError"] == 1)
                ip("link", "del", "net0")
                await until(lambda: one._binding.device_index() is None)
                # At first the device is back without its address.
                make_cable()
                await until(lambda: one.counters["reopen_OSError"] >= 1)
                for device, address in addresses:
                    where = ("-n", BESIDE) if device == "far0" else ()
                    ip(*where, "addr", "add", address, "dev", device)
                await until(lambda: one._packets._socket is not None)
                send_from_beside(b"junk", "10.2.0.1")
                await until(lambda: one.serf.counters["datagrams_refused_WireError"] == 2)

        run(story)


def test_burst_that_the_send_buffer_cannot_take_is_sent_as_there_is_room() -> None:
    """A slow device: what it has not sent yet fills the socket's buffer."""
    with cable(("net0", "10.2.0.1/24"), ("far0", "10.2.0.2/24")):
        tc = ["tc", "qdisc", "add", "dev", "net0", "root", "tbf", "rate", "8mbit", "burst", "4kb", "limit", "10mb"]
        subprocess.run(tc, check=True, timeout=LIMIT, capture_output=True)

        async def story() -> None:
            async with member("one", "10.2.0.1") as one:
                udp = one._packets._socket
                assert udp is not None
                udp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
                for _ in range(100):
                    one._packets.send(Datagram(bytes(1000), Address("10.2.0.2", PORT)))
                assert one._packets._unsent, "the buffer took all: the test shows nothing"
                await until(lambda: not one._packets._unsent)
                assert not any(name.startswith("send_") for name in one.counters)

        run(story)


def test_pool_is_found_through_any_one_of_several_addresses() -> None:
    async def story() -> None:
        async with member("one", "127.0.0.1") as one, member("two", "127.0.0.2") as two:
            nobody = [Address(f"127.0.0.{n}", PORT) for n in (91, 92, 93)]
            two.serf.join([*nobody, Address("127.0.0.1", PORT)], time.monotonic())
            two.poke()
            await until(lambda: sees(one, "two") is sees(two, "one") is MemberState.ALIVE)

    run(story)
