"""The watchdog process answers on its socket, feeds while it may, and marks a fenced host until the next boot."""

import json
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ceilo_gossip.watchdog.client import WatchdogClient, WatchdogRefused, WatchdogUnavailable
from ceilo_gossip.watchdog.device import DeviceError, FakeDevice
from ceilo_gossip.watchdog.feeder import Phase
from ceilo_gossip.watchdog.messages import (
    MAX_GRANT,
    DisarmRequest,
    Fence,
    Grant,
    MessageError,
    TellState,
    decode_answer,
    decode_request,
    encode_request,
)
from ceilo_gossip.watchdog.process import MAX_CLIENTS, AlreadyRunning, WatchdogProcess


class Running:
    """A process in a thread, on a clock that the test moves; its device and what it said."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = 1000.0
        self.device = FakeDevice()
        self.said: list[tuple[str, bool]] = []
        self.process = self.make()
        self._thread = threading.Thread(target=self.process.run, daemon=True)
        self._thread.start()
        self.client = WatchdogClient(self.socket)
        self._wait_for_socket()

    @property
    def socket(self) -> Path:
        return self.directory / "watchdog.sock"

    @property
    def mark(self) -> Path:
        return self.directory / "fenced"

    def make(self) -> WatchdogProcess:
        return WatchdogProcess(
            self.device,
            socket_path=self.socket,
            fenced_path=self.mark,
            clock=self.clock,
            say=lambda text, is_grave: self.said.append((text, is_grave)),
        )

    def clock(self) -> float:
        self.device.now = self.now
        return self.now

    def _wait_for_socket(self) -> None:
        while True:
            try:
                self.client.ask(TellState())
                return
            except WatchdogUnavailable:
                assert self._thread.is_alive()

    def stop(self) -> None:
        self.process.stop()
        self.client.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    one = Running(tmp_path)
    yield one
    one.stop()


def test_grant_arms_the_device_and_the_answer_says_so(running: Running) -> None:
    state = running.client.ask(Grant(1008.0))
    assert (state.phase, state.timeout, state.grant_left, state.device) == (Phase.ARMED, 5.0, 8.0, "fake")
    assert state.is_armed
    running.now += 2.0
    running.client.ask(Grant(1010.0))
    assert running.device.feeds == [1002.0]


def test_without_a_grant_nothing_is_armed(running: Running) -> None:
    state = running.client.ask(TellState())
    assert state.phase is Phase.UNARMED and not state.is_armed
    assert running.device.fires_at is None


def test_fence_is_marked_before_it_is_acknowledged_and_a_successor_knows_it(running: Running) -> None:
    running.client.ask(Grant(1008.0))
    state = running.client.ask(Fence("incident i-1"))
    assert state.phase is Phase.FENCED and state.is_armed
    assert running.mark.read_text() == "incident i-1\n"
    running.client.ask(Grant(1100.0))
    assert running.device.feeds == []
    assert running.make().phase is Phase.FENCED


def test_fence_that_cannot_be_marked_is_not_acknowledged_and_nothing_is_fed_all_the_same(running: Running) -> None:
    running.client.ask(Grant(1008.0))
    running.mark.mkdir()
    with pytest.raises(WatchdogRefused, match="cannot be written"):
        running.client.ask(Fence("incident i-1"))
    running.now += 2.0
    assert running.client.ask(Grant(1010.0)).phase is Phase.FENCED
    assert running.device.feeds == []


def test_disarm_is_refused_to_a_host_without_a_lease_and_done_for_one_with_it(running: Running) -> None:
    running.client.ask(Grant(1008.0))
    running.now += 9.0
    with pytest.raises(WatchdogRefused, match="holds no lease"):
        running.client.ask(DisarmRequest("maintenance"))
    running.client.ask(Grant(1017.0))
    assert running.client.ask(DisarmRequest("maintenance")).phase is Phase.UNARMED
    assert running.device.fires_at is None


def test_device_that_fails_is_said_and_survived(running: Running) -> None:
    running.device.refuses = DeviceError("/dev/watchdog does not exist; load the driver")
    assert running.client.ask(Grant(1008.0)).phase is Phase.UNARMED
    assert ("the watchdog cannot be armed: /dev/watchdog does not exist; load the driver", True) in running.said


def test_grant_that_is_no_lease_is_refused(running: Running) -> None:
    with pytest.raises(WatchdogRefused, match="is no lease"):
        running.client.ask(Grant(running.now + MAX_GRANT + 1))


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"x",
        b"[]",
        b"{}",
        b'{"do": "feed"}',
        b'{"do": "grant"}',
        b'{"do": "grant", "until": NaN}',
        b'{"do": "grant", "until": true}',
        b'{"do": "fence"}',
        b'{"do": "fence", "reason": ""}',
        b"[" * 1000,
    ],
)
def test_nonsense_is_refused_with_a_reason(packet: bytes) -> None:
    with pytest.raises(MessageError):
        decode_request(packet)


def test_nonsense_on_the_socket_gets_an_answer_and_harms_nobody(running: Running) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
        stranger.settimeout(5)
        stranger.connect(str(running.socket))
        stranger.send(b'{"do": "feed"}')
        assert "refused" in json.loads(stranger.recv(1024))
    assert running.client.ask(TellState()).phase is Phase.UNARMED


def test_more_clients_than_allowed_are_hung_up_on(running: Running) -> None:
    others = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(MAX_CLIENTS + 2)]
    refused = 0
    try:
        for one in others:
            one.settimeout(5)
            try:
                one.connect(str(running.socket))
                one.send(encode_request(TellState()))
                refused += one.recv(1024) == b""
            except OSError:
                refused += 1
    finally:
        for one in others:
            one.close()
    assert refused == 3, "the test's own client is one of those that are allowed"
    assert running.client.ask(TellState()).phase is Phase.UNARMED


def test_socket_is_for_its_user_only(running: Running) -> None:
    assert stat.S_IMODE(running.socket.stat().st_mode) == 0o600


def test_second_process_does_not_take_the_socket_from_the_first(running: Running) -> None:
    with pytest.raises(AlreadyRunning):
        running.make().run()


def test_client_says_what_is_wrong_when_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(WatchdogUnavailable, match="is ceilo-gossip-watchdog running"):
        WatchdogClient(tmp_path / "nobody").ask(TellState())


@pytest.mark.parametrize("packet", [b"{}", b'{"phase": "odd"}', b"nonsense"])
def test_answer_of_another_version_is_no_answer(packet: bytes) -> None:
    with pytest.raises(MessageError):
        decode_answer(packet)
