"""The operator's command, asking a served fake agent."""

import asyncio
import json
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ceilo_gossip.cmd import cli
from ceilo_gossip.control.server import ControlServer
from ceilo_gossip.control.source import Answer, FakeSource

UPS = {"management": "up", "storage": "suspect", "tunnel": "down"}


class Source(FakeSource):
    async def grid(self) -> Answer:
        row = {"host": "cmp-1", "role": "compute", "networks": UPS, "for_seconds": 3.2, "reason": "because"}
        return {"agent": "ctl-1", "quorum": {"storage": "held"}, "hosts": [row | {"is_spoken_for": True}]}


@pytest.fixture
def path(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    found = tmp_path / "control.sock"
    started, loop = threading.Event(), asyncio.new_event_loop()
    server = ControlServer(Source(), path=found)

    def serve() -> None:
        loop.run_until_complete(server.start())
        started.set()
        loop.run_forever()
        loop.run_until_complete(server.close())
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert started.wait(10)
    yield found
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def test_json_is_the_agents_answer(path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", "-f", "json", "--socket", str(path)]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer == {"agent": "ctl-1"}


def test_table_shows_each_network(path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verdicts", "--socket", str(path)]) == 0
    out = capsys.readouterr().out
    for word in ("cmp-1 *", "suspect", "down", "because", "storage held"):
        assert word in out


def test_agent_that_is_not_there_is_exit_code_1(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["members", "--socket", str(tmp_path / "absent")]) == 1
    assert capsys.readouterr().err.startswith("ceilo-gossip: no agent serves")


def test_unknown_verb_is_exit_code_2() -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["fence"])
    assert caught.value.code == 2
