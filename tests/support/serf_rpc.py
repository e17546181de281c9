"""Ask a `serf agent` over its RPC socket, without the 20 ms that a `serf` command takes to start.

Only what is needed: members, figures, user events, and queries with their acks as they come in.
"""

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgpack

from tests.support.private_networks import Namespace

VERSION = 1
_READ_LENGTH = 65536


class SerfRpcError(Exception):
    """The agent refused, or hung up."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """A record of a query. kind: "ack", "response" or "done"; member: who; at: when it came, monotonic seconds."""

    kind: str
    member: str
    at: float


@dataclass(frozen=True, slots=True)
class RpcMember:
    """A member as the agent lists it. status: in Serf's words; address: "host:port"."""

    status: str
    address: str
    tags: Mapping[str, str]


class SerfRpc:
    """One connection; one request at a time, the others wait for their turn."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._unpacker = msgpack.Unpacker(raw=False, unicode_errors="surrogateescape")
        self._sequence = 0
        self._turn = asyncio.Lock()

    @classmethod
    async def connect(cls, space: Namespace | None, address: str, port: int) -> "SerfRpc":
        """Connect from inside `space` (None: where we are) and shake hands; OSError while nobody listens there."""
        with contextlib.nullcontext() if space is None else space.entered():
            connection = socket.create_connection((address, port), timeout=5.0)
        connection.setblocking(False)
        rpc = cls(*await asyncio.open_connection(sock=connection))
        await rpc._request("handshake", {"Version": VERSION})
        return rpc

    async def members(self) -> Mapping[str, str]:
        """Return what the agent believes of everybody, in Serf's words."""
        return {name: one.status for name, one in (await self.member_records()).items()}

    async def member_records(self) -> Mapping[str, RpcMember]:
        """Return all that the agent tells of everybody, itself included."""
        async with self._turn:
            await self._request("members", None)
            body = await self._next()
        return {one["Name"]: _member(one) for one in body["Members"]}

    async def figures(self) -> Mapping[str, Mapping[str, str]]:
        """Return what `serf info` prints: sections of figures, all of them text."""
        async with self._turn:
            await self._request("stats", None)
            sections: Mapping[str, Mapping[str, str]] = await self._next()
        return sections

    async def event(self, name: str) -> None:
        """Send a user event; returns once the agent has taken it."""
        async with self._turn:
            await self._request("event", {"Name": name, "Payload": b"", "Coalesce": False})

    async def query(self, name: str) -> AsyncIterator[Reaction]:
        """Send a query that asks for acks; yield what comes, the last of which is "done"."""
        body = {"FilterNodes": [], "FilterTags": {}, "RequestAck": True, "RelayFactor": 0, "Timeout": 0}
        async with self._turn:
            await self._request("query", {**body, "Name": name, "Payload": b""})
            while True:
                await self._next()  # The header of each record.
                record = await self._next()
                yield Reaction(record["Type"], record["From"], time.monotonic())
                if record["Type"] == "done":
                    return

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _request(self, command: str, body: Mapping[str, Any] | None) -> None:
        self._sequence += 1
        request = msgpack.packb({"Command": command, "Seq": self._sequence})
        self._writer.write(request + (b"" if body is None else msgpack.packb(body)))
        await self._writer.drain()
        header = await self._next()
        if header["Error"]:
            raise SerfRpcError(f"{command}: {header['Error']}")

    async def _next(self) -> Any:
        while True:
            try:
                return self._unpacker.unpack()
            except msgpack.OutOfData:
                piece = await self._reader.read(_READ_LENGTH)
                if not piece:
                    raise SerfRpcError("the agent hung up") from None
                self._unpacker.feed(piece)


def _member(one: Mapping[str, Any]) -> RpcMember:
    host = ipaddress.ip_address(one["Addr"])
    # An agent that is bound to all addresses tells IPv4 ones in 16 bytes.
    host = getattr(host, "ipv4_mapped", None) or host
    return RpcMember(one["Status"], f"{host}:{one['Port']}", one["Tags"] or {})
