"""The shared storage keeps what arrives, with the time of arrival, and makes no disk by writing to it."""

import asyncio
import contextlib
import functools
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud import disk_checker, storage
from minicloud.storage_server import Disks, _serve_connection

WRITE = {"op": "write", "disk": "disk-1", "host": "cmp-1", "boot_id": "b", "run_id": "r", "counter": 1}


def serve(disks: Disks, request: dict[str, object], *, at: float = 5.0) -> dict[str, object]:
    return disks.serve(request, wall=1e9 + at, monotonic=at)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Run the server's own connection code on a loopback socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    start = functools.partial(asyncio.start_server, functools.partial(_serve_connection, Disks(tmp_path)))
    server = loop.run_until_complete(start(sock=listener, limit=storage.MAX_LINE_BYTES))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield listener.getsockname()
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
    loop.close()


def test_a_write_is_kept_with_the_servers_time(tmp_path: Path) -> None:
    disks = Disks(tmp_path)
    serve(disks, {"op": "create", "disk": "disk-1"})
    serve(disks, WRITE, at=7.0)
    (record,) = disk_checker.read(tmp_path / "disk-1")
    assert (record.host, record.run_id, record.counter) == ("cmp-1", "r", 1)
    assert (record.wall, record.monotonic) == (1e9 + 7.0, 7.0)


def test_writing_makes_no_disk(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no disk disk-1"):
        serve(Disks(tmp_path), WRITE)
    assert list(tmp_path.iterdir()) == []


def test_creating_a_disk_again_keeps_what_is_on_it(tmp_path: Path) -> None:
    disks = Disks(tmp_path)
    serve(disks, {"op": "create", "disk": "disk-1"})
    serve(disks, WRITE)
    serve(disks, {"op": "create", "disk": "disk-1"})
    assert len(list(disk_checker.read(tmp_path / "disk-1"))) == 1


def test_a_deleted_disk_is_gone_for_guests_and_kept_for_the_checker(tmp_path: Path) -> None:
    disks = Disks(tmp_path)
    for _ in range(2):
        serve(disks, {"op": "create", "disk": "disk-1"})
        serve(disks, WRITE)
        serve(disks, {"op": "delete", "disk": "disk-1"})
    assert serve(disks, {"op": "exists", "disk": "disk-1"}) == {"exists": False}
    with pytest.raises(ValueError, match="no disk"):
        serve(disks, WRITE)
    assert [report.disk for report in disk_checker.check_directory(tmp_path)] == [
        "disk-1.deleted-1",
        "disk-1.deleted-2",
    ]


@pytest.mark.parametrize("name", ["../etc", "", "a/b", "x.deleted-1", "-x"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        serve(Disks(tmp_path), {"op": "create", "disk": name})


def test_a_connection_carries_requests_and_refusals(served: tuple[str, int], tmp_path: Path) -> None:
    with storage.Connection(served, timeout=5.0) as connection:
        with pytest.raises(storage.RefusedByStorage, match="no disk"):
            connection.request(WRITE)
        connection.request({"op": "create", "disk": "disk-1"})
        connection.request(WRITE)
    assert len(list(disk_checker.read(tmp_path / "disk-1"))) == 1


def test_garbage_is_answered_and_harms_nobody(served: tuple[str, int]) -> None:
    with socket.create_connection(served, timeout=5.0) as raw:
        raw.sendall(b"garbage\n[]\n")
        answers = b""
        while answers.count(b"\n") < 2:
            answers += raw.recv(4096)
    assert answers.count(b'"ok": false') == 2
    with storage.Connection(served, timeout=5.0) as connection:
        assert connection.request({"op": "exists", "disk": "disk-1"})["exists"] is False


def test_storage_that_does_not_answer_is_an_error_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        connection = storage.Connection(silent.getsockname(), timeout=0.05)
        with pytest.raises(storage.StorageError):
            connection.request(WRITE)
        assert time.monotonic() - began < 2.0


def test_a_closed_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = closed.getsockname()
    with pytest.raises(storage.StorageError):
        storage.Connection(address, timeout=1.0)
