"""A thousand members that are alive and cost nothing: one host that acknowledges every ping, whoever it is for.

They differ in their names only. They know nobody, gossip nothing and never leave; what is gossiped to them is ignored.
"""

import asyncio
from collections import Counter
from typing import Any

from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import OUR_VERSION
from ceilo_gossip.wire.codec import encode, encode_for_stream
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Ack, Ping, PushPull, RemoteRecord
from ceilo_gossip.wire.packet import compress, pack_datagram, unpack_datagram
from ceilo_gossip.wire.serf_codec import encode_serf
from ceilo_gossip.wire.serf_messages import SerfState
from ceilo_gossip.wire.stream import StreamFramer, pack_stream, unpack_stream
from ceilo_gossip.wire.tags import encode_tags
from tests.support.loop_thread import LoopThread
from tests.support.private_networks import Namespace

_LIMIT = 15.0  # Seconds for an exchange; it takes some milliseconds.


class Crowd(asyncio.DatagramProtocol):
    """asked: how many pings have come from each host."""

    def __init__(self, count: int, address: Address, space: Namespace, *, key: bytes | None) -> None:
        self.names = [f"crowd-{number:04}" for number in range(count)]
        self.asked: Counter[str] = Counter()
        self._address = address
        self._keyring = None if key is None else Keyring([key])
        self._thread = LoopThread("crowd", space)
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self) -> None:
        """Answer from now on."""

        async def listen() -> None:
            where = (self._address.host, self._address.port)
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=where)

        await self._thread.run(listen())

    async def stop(self) -> None:
        """All are gone."""

        async def close() -> None:
            if self._transport is not None:
                self._transport.abort()

        try:
            await self._thread.run(close())
        finally:
            self._thread.stop()

    def tags_of(self, name: str) -> dict[str, str]:
        """What this one announces."""
        return {"role": "crowd", "number": name.rpartition("-")[2]}

    @property
    def push_pull(self) -> bytes:
        """The state of one that knows all the others, which wants to join."""
        records = tuple(
            RemoteRecord(
                name, self._address.raw_host, self._address.port, encode_tags(self.tags_of(name)), 1, 0, OUR_VERSION
            )
            for name in self.names
        )
        state = SerfState(
            ltime=2, status_ltimes=dict.fromkeys(self.names, 1), left_members=(), event_ltime=1, query_ltime=1
        )
        return encode_for_stream(PushPull(True, records, encode_serf(state)))

    async def join(self, host: Address, *, compressed: bool = False) -> None:
        """Have one of them join through this member, which learns of all of them."""

        async def exchange() -> None:
            message = compress(self.push_pull) if compressed else self.push_pull
            async with asyncio.timeout(_LIMIT):
                reader, writer = await asyncio.open_connection(host.host, host.port)
                writer.write(pack_stream(message, keyring=self._keyring))
                framer, answer = StreamFramer(), None
                while answer is None and (piece := await reader.read(65536)):
                    answer = framer.feed(piece)
                writer.close()
            assert answer is not None, f"{host} does not answer"
            assert isinstance(unpack_stream(answer, keyring=self._keyring), PushPull)

        await self._thread.run(exchange())

    # What asyncio calls.

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        assert self._transport is not None
        for message in unpack_datagram(data, keyring=self._keyring).messages:
            if isinstance(message, Ping):
                self.asked[addr[0]] += 1
                self._transport.sendto(pack_datagram([encode(Ack(message.seq_no))], keyring=self._keyring), addr)
