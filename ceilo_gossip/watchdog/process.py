"""The watchdog process: one loop over a local socket, the device and the clock.

It is small on purpose: no asyncio, no threads, no configuration library, nothing that is loaded late. It is locked into
memory, scheduled in real time and exempt from the OOM killer, so that a host that is merely busy is never reset.

* That the host is fenced is written to a memory file system before it is acknowledged; it is gone with the next boot.
* SIGTERM ends it without a word to the device: armed, the device goes on, and unless a successor comes within the
  timeout and gets a grant, the host is reset. Who wants to stop for good disarms first.
* An agent that is gone takes no grant along; it runs out by itself.
"""

import contextlib
import errno
import os
import selectors
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ceilo_gossip.watchdog.device import Device, DeviceError
from ceilo_gossip.watchdog.feeder import Deed, Disarm, Feed, Feeder, FeederRefused, Open, Phase, Tell
from ceilo_gossip.watchdog.messages import (
    MAX_GRANT,
    MAX_PACKET,
    DisarmRequest,
    Fence,
    Grant,
    MessageError,
    Request,
    TellState,
    WatchdogState,
    decode_request,
    encode_refusal,
    encode_state,
)

MAX_CLIENTS: Final = 8  # The agent, its successor, an operator's look.
# Requests answered before the clock is looked at again: a flood of them must not keep a feed waiting.
MAX_REQUESTS_AT_ONCE: Final = 16
IDLE: Final = 1.0  # Seconds between two looks at the clock while nothing is due.


class AlreadyRunning(Exception):
    """Another watchdog process serves the socket."""


class WatchdogProcess:
    """Serves `socket_path`; `fenced_path` is the mark that outlives this process but not this boot.

    clock  seconds, as `clock.boot_clock`
    say    writes a line where a person finds it; is_grave: also where it survives the host
    group  numeric id of the group that may use the socket besides our user, None for nobody
    """

    def __init__(
        self,
        device: Device,
        *,
        socket_path: Path,
        fenced_path: Path,
        clock: Callable[[], float],
        say: Callable[[str, bool], None],
        group: int | None = None,
    ) -> None:
        self._device = device
        self._socket_path = socket_path
        self._fenced_path = fenced_path
        self._clock = clock
        self._say = say
        self._group = group
        self._identity = ""
        self._is_stopping = False
        self._selector = selectors.DefaultSelector()
        self._clients: set[socket.socket] = set()
        self._feeder = Feeder(is_fenced=fenced_path.exists())

    @property
    def phase(self) -> Phase:
        return self._feeder.phase

    def run(self) -> None:
        """Serve until `stop`. `AlreadyRunning`, or `OSError` when the socket cannot be made."""
        listener = self._listen()
        if self._feeder.phase is Phase.FENCED:
            self._say(f"this host is fenced ({self._fenced_path}); nothing is fed before the next boot", True)
        self._selector.register(listener, selectors.EVENT_READ)
        try:
            while not self._is_stopping:
                self._turn(listener)
        finally:
            for client in list(self._clients):
                self._drop(client)
            self._selector.close()
            listener.close()

    def stop(self) -> None:
        """Make `run` return; safe in a signal's handler."""
        self._is_stopping = True

    def _turn(self, listener: socket.socket) -> None:
        due = self._feeder.get_timer()
        wait = IDLE if due is None else min(IDLE, max(0.0, due - self._clock()))
        for key, _ in self._selector.select(wait):
            if key.fileobj is listener:
                self._accept(listener)
            else:
                assert isinstance(key.fileobj, socket.socket)
                self._serve(key.fileobj)
        self._feeder.handle_timer(self._clock())
        self._work()

    def _work(self) -> None:
        while (deed := self._feeder.next_deed(self._clock())) is not None:
            self._do(deed)

    def _do(self, deed: Deed) -> None:
        # The clock is read before the deed: the device counts from a later instant, never from an earlier one.
        now = self._clock()
        match deed:
            case Open():
                try:
                    opened = self._device.open()
                except DeviceError as error:
                    self._feeder.open_failed(str(error))
                else:
                    self._identity = opened.identity
                    self._feeder.opened(opened.timeout, now)
            case Feed():
                try:
                    self._device.feed()
                except DeviceError as error:
                    self._say(str(error), True)
                self._feeder.fed(now)
            case Disarm():
                self._feeder.disarmed(is_stopped=self._device.disarm())
            case Tell(text=text, is_grave=is_grave):
                self._say(text, is_grave)

    # The socket.

    def _listen(self) -> socket.socket:
        self._remove_stale()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        mask = os.umask(0o177)  # Never open to others, not even between bind and chmod.
        try:
            listener.bind(str(self._socket_path))
        finally:
            os.umask(mask)
        if self._group is not None:
            os.chown(self._socket_path, -1, self._group)
            self._socket_path.chmod(0o660)
        listener.listen(MAX_CLIENTS)
        return listener

    def _remove_stale(self) -> None:
        try:
            mode = self._socket_path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise FileExistsError(errno.EEXIST, "exists and is no socket", str(self._socket_path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            try:
                probe.connect(str(self._socket_path))
            except ConnectionRefusedError:
                self._socket_path.unlink()
                return
        raise AlreadyRunning(f"another process serves {self._socket_path}")

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            if len(self._clients) >= MAX_CLIENTS:
                client.close()
                return
            client.setblocking(False)
            self._clients.add(client)
            self._selector.register(client, selectors.EVENT_READ)

    def _drop(self, client: socket.socket) -> None:
        self._clients.discard(client)
        self._selector.unregister(client)
        client.close()

    def _serve(self, client: socket.socket) -> None:
        for _ in range(MAX_REQUESTS_AT_ONCE):
            try:
                packet = client.recv(MAX_PACKET)
                if not packet:
                    self._drop(client)
                    return
                client.send(self._answer(packet))
            except BlockingIOError:
                return
            except OSError:
                self._drop(client)
                return

    def _answer(self, packet: bytes) -> bytes:
        try:
            request = decode_request(packet)
            self._take(request)
        except (MessageError, FeederRefused) as error:
            return encode_refusal(str(error))
        except OSError as error:
            # The mark could not be written. It is not fed again by this process, but that is not what was asked for.
            return encode_refusal(f"{self._fenced_path} cannot be written ({error.strerror})")
        self._work()
        return encode_state(self._state())

    def _take(self, request: Request) -> None:
        now = self._clock()
        match request:
            case Grant(until=until):
                if until > now + MAX_GRANT:
                    raise MessageError(f"a grant of {until - now:.0f} s is no lease; {MAX_GRANT:g} s is the most")
                self._feeder.handle_grant(until, now)
            case Fence(reason=reason):
                self._feeder.handle_fence(reason, now)
                self._work()
                self._mark_fenced(reason)
            case DisarmRequest(reason=reason):
                self._feeder.handle_disarm(reason, now)
            case TellState():
                pass

    def _mark_fenced(self, reason: str) -> None:
        descriptor = os.open(self._fenced_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, reason.encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _state(self) -> WatchdogState:
        return WatchdogState(
            self._feeder.phase, self._feeder.timeout, self._feeder.grant_left(self._clock()), self._identity
        )


def end_on_signals(process: WatchdogProcess) -> None:
    """Let SIGTERM and SIGINT end `process`. A signal interrupts its wait: see `signal.set_wakeup_fd`'s PEP 475."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: process.stop())
