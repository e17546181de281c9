"""A fake agent behind a real control socket, and the operator's command that asks it."""

import asyncio
import contextlib
import pathlib
import threading
from collections.abc import Iterator

import pytest

from ceilo_gossip.cmd import cli
from ceilo_gossip.control.server import ControlServer
from ceilo_gossip.control.source import FakeOperatorSource


class Served:
    """A fake agent behind a real socket, and the command that asks it."""

    def __init__(self, path: pathlib.Path, source: FakeOperatorSource, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self.source = source
        self._capsys = capsys

    def run(self, *words: str) -> tuple[int, str, str]:
        """The exit code, and what was printed on standard output and standard error."""
        code = cli.main([*words, "--socket", str(self.path)])
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err

    def printed(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert (code, err) == (0, "")
        return out


def lines(text: str) -> list[list[str]]:
    """The cells of each line of a table."""
    rows = [line.strip()[1:-1] for line in text.splitlines() if line.startswith(("│", "┃"))]
    return [[cell.strip() for cell in row.replace("┃", "│").split("│")] for row in rows]


@contextlib.contextmanager
def served_agent(path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Served]:
    """Serve a fake agent in a thread of its own."""
    source = FakeOperatorSource()
    started, loop = threading.Event(), asyncio.new_event_loop()
    server = ControlServer(source, path=path)

    def serve() -> None:
        loop.run_until_complete(server.start())
        started.set()
        loop.run_forever()
        loop.run_until_complete(server.close())
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert started.wait(10)
    yield Served(path, source, capsys)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
