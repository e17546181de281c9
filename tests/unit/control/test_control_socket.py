"""The local socket of an agent: who may ask, what is answered, and what nobody can do to it."""

import asyncio
import grp
import json
import os
import pathlib
import socket
import stat
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ceilo_gossip.control import connection as module
from ceilo_gossip.control.client import ControlError, Conversation, ask
from ceilo_gossip.control.feed import Feed
from ceilo_gossip.control.protocol import MAX_REQUEST_BYTES
from ceilo_gossip.control.requests import MembersRequest, MonitorRequest
from ceilo_gossip.control.server import MAX_CONNECTIONS, MAX_STREAMS, ControlServer
from ceilo_gossip.control.source import End, FakeOperatorSource, Parts, RefusalError

pytestmark = pytest.mark.asyncio
LIMIT = 10.0  # Seconds until something that takes a moment counts as never.


class Monitored(FakeOperatorSource):
    """An agent in which things happen when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.feed = Feed(most=20)

    async def monitor(self, request: MonitorRequest) -> Parts:
        listener = self.feed.listen(lambda item: True)
        try:
            yield {"kind": "begin"}
            async for item in listener:
                yield item
        finally:
            listener.close()
        yield End({"reason": "the agent ends"})


@pytest.fixture
def source() -> Monitored:
    return Monitored()


@pytest_asyncio.fixture
async def server(source: Monitored, tmp_path: pathlib.Path) -> AsyncIterator[ControlServer]:
    control = ControlServer(source, path=tmp_path / "control.sock")
    await control.start()
    yield control
    await control.close()


@pytest.fixture
def path(server: ControlServer, tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "control.sock"


async def send(path: pathlib.Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(request)
    if writer.can_write_eof():
        writer.write_eof()
    reply = await reader.read()
    writer.close()
    return reply


async def open_monitor(path: pathlib.Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A monitor that has been told that it listens."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b'{"verb": "monitor"}\n')
    assert json.loads(await reader.readline()) == {"item": {"kind": "begin"}}
    return reader, writer


async def until(fact: object) -> None:
    async with asyncio.timeout(LIMIT):
        while not fact():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def test_verbs_are_answered(path: pathlib.Path) -> None:
    assert await asyncio.to_thread(ask, path, "members") == {"members": []}
    assert await asyncio.to_thread(ask, path, "verdict") == {"hosts": ["cmp-1"]}
    assert await asyncio.to_thread(ask, path, "verdicts") == {"hosts": ["cmp-1"]}, "the name of the first release"
    assert await asyncio.to_thread(ask, path, "info") == {"agent": "ctl-1"}


async def test_arguments_reach_the_agent(path: pathlib.Path, source: Monitored) -> None:
    await asyncio.to_thread(ask, path, "members", {"networks": ["storage"]})
    assert source.asked == [MembersRequest(networks=("storage",))]  # type: ignore[arg-type]


async def test_parts_come_one_by_one_and_then_the_end(path: pathlib.Path, source: Monitored) -> None:
    source.parts["query"] = [{"kind": "ack"}, {"kind": "answer"}, End({"acks": 1})]

    def talk() -> tuple[list[object], object]:
        with Conversation(path, "query", {"name": "q"}, timeout=LIMIT) as conversation:
            return list(conversation), conversation.answer

    assert await asyncio.to_thread(talk) == ([{"kind": "ack"}, {"kind": "answer"}], {"acks": 1})


async def test_refusal_of_the_agent_is_told_though_parts_have_come(path: pathlib.Path, source: Monitored) -> None:
    source.parts["query"] = [{"kind": "ack"}, RefusalError("enough; ask again")]
    lines = (await send(path, b'{"verb": "query", "arguments": {"name": "q"}}\n')).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"item": {"kind": "ack"}},
        {"ok": False, "error": "enough; ask again"},
    ]


async def test_only_the_owner_may_connect(path: pathlib.Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_group_that_is_named_may_connect_and_nobody_else(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At no time are the rights wider than at the end, nor the group's before it is the right group."""
    path = tmp_path / "control.sock"
    seen: list[tuple[str, int]] = []
    chown, chmod = os.chown, pathlib.Path.chmod

    def watched_chown(target: pathlib.Path, user: int, group: int) -> None:
        seen.append(("before chown", stat.S_IMODE(path.stat().st_mode)))
        chown(target, user, group)

    def watched_chmod(target: pathlib.Path, mode: int) -> None:
        seen.append(("before chmod", stat.S_IMODE(path.stat().st_mode)))
        chmod(target, mode)

    monkeypatch.setattr(os, "chown", watched_chown)
    monkeypatch.setattr(pathlib.Path, "chmod", watched_chmod)
    group = grp.getgrall()[-1].gr_gid if os.geteuid() == 0 else os.getegid()
    control = ControlServer(FakeOperatorSource(), path=path, group=group)
    await control.start()
    found = path.stat()
    await control.close()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, group)
    assert seen == [("before chown", 0o600), ("before chmod", 0o600)]


@pytest.mark.parametrize(
    ("request_line", "error"),
    [
        (b"no json\n", "not JSON"),
        (b"[" * 3000 + b"\n", "not JSON"),
        (b'"members"\n', "no JSON object"),
        (b'{"verb": "fence"}\n', "known are members, verdict, info"),
        (b'{"verb": ["members"]}\n', "unknown verb"),
        (b'{"verb": "info", "arguments": ["x"]}\n', "arguments are no JSON object"),
        (b'{"verb": "info", "arguments": {"host": "x"}}\n', "argument 'host': is not known here"),
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


async def test_connections_beyond_the_limit_are_closed_and_counted(path: pathlib.Path, server: ControlServer) -> None:
    kept = [await asyncio.open_unix_connection(str(path)) for _ in range(MAX_CONNECTIONS)]
    assert await send(path, b"") == b""
    assert server.counters["callers_over_limit"] == 1
    for _, writer in kept:
        writer.close()


async def test_monitors_leave_room_for_others(path: pathlib.Path) -> None:
    monitors = [await open_monitor(path) for _ in range(MAX_STREAMS)]
    refused = json.loads(await send(path, b'{"verb": "monitor"}\n'))
    assert refused["ok"] is False and "too many monitors" in refused["error"]
    assert json.loads(await send(path, b'{"verb": "info"}\n'))["ok"] is True
    for _, writer in monitors:
        writer.close()


async def test_monitor_hears_what_happens_until_it_hangs_up(path: pathlib.Path, source: Monitored) -> None:
    reader, writer = await open_monitor(path)
    source.feed.publish({"kind": "verdict"})
    assert json.loads(await reader.readline()) == {"item": {"kind": "verdict"}}
    writer.close()
    await until(lambda: not source.feed.has_listeners)


async def test_monitor_is_told_when_the_agent_ends(
    path: pathlib.Path, source: Monitored, server: ControlServer
) -> None:
    reader, writer = await open_monitor(path)
    source.feed.close()
    await server.close()
    assert json.loads(await reader.readline()) == {"ok": True, "answer": {"reason": "the agent ends"}}
    writer.close()


async def test_slow_monitor_is_cut_off_counted_and_told_how_much_it_missed(
    path: pathlib.Path, source: Monitored
) -> None:
    reader, writer = await open_monitor(path)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    item = {"kind": "user", "payload": "x" * 100_000}
    # Until the socket, and what waits before it, are full; whatever their size is.
    async with asyncio.timeout(LIMIT):
        while not source.feed.counters["events_dropped"]:
            source.feed.publish(item)
            await asyncio.sleep(0)
    source.feed.publish(item)
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    lines = (await reader.read()).splitlines()
    last = json.loads(lines[-1])
    assert last["ok"] is False and "too slow, 2 event(s) were dropped" in last["error"]
    assert {json.loads(line)["item"]["kind"] for line in lines[:-1]} == {"user"}
    assert source.feed.counters == {"events_dropped": 2, "slow_readers_cut_off": 1}
    writer.close()


async def test_monitor_that_reads_nothing_at_all_is_hung_up_on(
    path: pathlib.Path, source: Monitored, server: ControlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALL_TIMEOUT", 0.05)
    _, writer = await open_monitor(path)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(LIMIT):
        while source.feed.has_listeners:
            source.feed.publish({"kind": "user", "payload": "x" * 100_000})
            await asyncio.sleep(0.005)
    await until(lambda: server.counters["stalled_callers"] == 1)
    writer.close()


async def test_socket_of_a_dead_agent_is_replaced(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    control = ControlServer(FakeOperatorSource(), path=path)
    await control.start()
    assert json.loads(await send(path, b'{"verb": "info"}\n'))["ok"] is True
    await control.close()
    assert not path.exists()


async def test_socket_of_a_living_agent_is_left_alone(path: pathlib.Path) -> None:
    with pytest.raises(FileExistsError, match="another agent serves"):
        await ControlServer(FakeOperatorSource(), path=path).start()
    assert json.loads(await send(path, b'{"verb": "info"}\n'))["ok"] is True


async def test_file_that_is_no_socket_is_left_alone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="is no socket"):
        await ControlServer(FakeOperatorSource(), path=path).start()
    assert path.read_text() == "mine"


async def test_nobody_there_is_told_with_a_remedy(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ControlError, match="start ceilo-gossip-agent"):
        ask(tmp_path / "absent.sock", "info")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"", "no complete answer"),
        (b"hello\n", "did not answer in JSON"),
        (b"[]\n", "another version"),
        (b'{"item": {}}\n', "no complete answer"),
        (b'{"ok": true, "answer": 3}\n', "another version"),
        (b'{"ok": false, "error": "no; do that"}\n', "no; do that"),
    ],
)
async def test_odd_answer_is_an_error_with_a_sentence(tmp_path: pathlib.Path, reply: bytes, error: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(reply)
        writer.close()

    path = tmp_path / "odd.sock"
    server = await asyncio.start_unix_server(serve, path=str(path))
    with pytest.raises(ControlError, match=error):
        await asyncio.to_thread(ask, path, "info")
    server.close()
