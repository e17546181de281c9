"""The local socket of an agent: who may ask, what is answered, and what nobody can do to it."""

import asyncio
import json
import pathlib
import socket
import stat
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ceilo_gossip.control import server as module
from ceilo_gossip.control.client import ControlError, ask
from ceilo_gossip.control.server import MAX_CONNECTIONS, MAX_REQUEST_BYTES, ControlServer
from ceilo_gossip.control.source import FakeSource

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def path(tmp_path: pathlib.Path) -> AsyncIterator[pathlib.Path]:
    control = ControlServer(FakeSource(), path=tmp_path / "control.sock")
    await control.start()
    yield tmp_path / "control.sock"
    await control.close()


async def send(path: pathlib.Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(request)
    if writer.can_write_eof():
        writer.write_eof()
    reply = await reader.read()
    writer.close()
    return reply


async def test_verbs_are_answered(path: pathlib.Path) -> None:
    assert await asyncio.to_thread(ask, path, "members") == {"members": []}
    assert await asyncio.to_thread(ask, path, "verdicts") == {"hosts": ["cmp-1"]}
    assert await asyncio.to_thread(ask, path, "info") == {"agent": "ctl-1"}


async def test_only_the_owner_may_connect(path: pathlib.Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("request_line", "error"),
    [
        (b"no json\n", "not JSON"),
        (b"[" * 3000 + b"\n", "not JSON"),
        (b'"members"\n', "unknown verb"),
        (b'{"verb": "fence"}\n', "known are members, verdicts, info"),
        (b'{"verb": ["members"]}\n', "unknown verb"),
        (b"x" * (MAX_REQUEST_BYTES + 10) + b"\n", "one line of JSON"),
        (b'{"verb": "info"}', "one line of JSON"),
    ],
)
async def test_odd_request_is_refused_with_a_sentence(path: pathlib.Path, request_line: bytes, error: str) -> None:
    reply = json.loads(await send(path, request_line))
    assert reply["ok"] is False and error in reply["error"]


async def test_silent_callers_are_cut_off_and_others_are_still_answered(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUEST_TIMEOUT", 0.05)
    silent = [await asyncio.open_unix_connection(str(path)) for _ in range(MAX_CONNECTIONS)]
    for reader, writer in silent:
        assert await reader.read() == b""
        writer.close()
    assert json.loads(await send(path, b'{"verb": "info"}\n'))["ok"] is True


async def test_connections_beyond_the_limit_are_closed(path: pathlib.Path) -> None:
    kept = [await asyncio.open_unix_connection(str(path)) for _ in range(MAX_CONNECTIONS)]
    assert await send(path, b"") == b""
    for _, writer in kept:
        writer.close()


async def test_socket_of_a_dead_agent_is_replaced(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    control = ControlServer(FakeSource(), path=path)
    await control.start()
    assert json.loads(await send(path, b'{"verb": "info"}\n'))["ok"] is True
    await control.close()
    assert not path.exists()


async def test_socket_of_a_living_agent_is_left_alone(path: pathlib.Path) -> None:
    with pytest.raises(FileExistsError, match="another agent serves"):
        await ControlServer(FakeSource(), path=path).start()
    assert json.loads(await send(path, b'{"verb": "info"}\n'))["ok"] is True


async def test_file_that_is_no_socket_is_left_alone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="is no socket"):
        await ControlServer(FakeSource(), path=path).start()
    assert path.read_text() == "mine"


async def test_nobody_there_is_told_with_a_remedy(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ControlError, match="start ceilo-gossip-agent"):
        ask(tmp_path / "absent.sock", "info")
