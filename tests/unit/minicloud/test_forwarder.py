"""The forwarder carries bytes both ways and passes the ends on."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from minicloud.forwarder import _relay

Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _listen(serve: Streams) -> tuple[asyncio.Server, tuple[str, int]]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[:2]


async def _shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a whole request, known by its end, in capitals."""
    writer.write((await reader.read()).upper())
    writer.close()


@pytest.mark.asyncio
async def test_a_request_and_its_answer_go_through() -> None:
    target, target_address = await _listen(_shout)
    front, address = await _listen(lambda reader, writer: _relay(target_address, reader, writer))
    async with target, front:
        reader, writer = await asyncio.open_connection(*address)
        request = b"hello " * 50_000
        writer.write(request)
        writer.write_eof()
        assert await reader.read() == request.upper()
        writer.close()


@pytest.mark.asyncio
async def test_a_service_that_is_not_there_ends_the_connection() -> None:
    gone, gone_address = await _listen(_shout)
    gone.close()
    await gone.wait_closed()
    front, address = await _listen(lambda reader, writer: _relay(gone_address, reader, writer))
    async with front:
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.read() == b""
        writer.close()
