"""Commands arrive whole or not at all, refusals come back as the same exception, and the socket is private."""

import select
import socket
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from minicloud.control_socket import CommandError, ControlServer, call


def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
    if request["command"] == "refuse":
        raise CommandError("not today")
    return {"said": request["command"]}


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Serve on a socket in a thread, one connection after another, as the event loops of the daemons do."""
    server = ControlServer(tmp_path / "control.sock", answer)
    ending = threading.Event()

    def serve() -> None:
        while not ending.is_set():
            if select.select([server], [], [], 0.05)[0]:
                server.serve_one()

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.path
    ending.set()
    thread.join()
    server.close()


def test_a_command_is_answered(path: Path) -> None:
    assert call(path, {"command": "hello"}, timeout=5.0) == {"said": "hello"}


def test_a_refusal_is_raised_with_its_reason(path: Path) -> None:
    with pytest.raises(CommandError, match="not today"):
        call(path, {"command": "refuse"}, timeout=5.0)


def test_a_request_that_lacks_something_is_refused_and_the_server_lives(path: Path) -> None:
    with pytest.raises(CommandError):
        call(path, {"no": "command"}, timeout=5.0)
    assert call(path, {"command": "still there"}, timeout=5.0) == {"said": "still there"}


def test_what_is_no_json_object_is_refused(path: Path) -> None:
    for line in (b"nonsense\n", b"[1]\n"):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(path))
            raw.sendall(line)
            assert b"error" in raw.recv(4096)


def test_a_client_that_goes_away_harms_nobody(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
    assert call(path, {"command": "hello"}, timeout=5.0) == {"said": "hello"}


def test_only_the_owner_may_connect(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"no\.sock"):
        call(tmp_path / "no.sock", {"command": "hello"}, timeout=1.0)
