"""Bad paths to a BMC: what lies between, on loopback, and delays, swallows or falsifies what passes.

A path is a port of its own in front of a server's. Each has threads of the test's process, in whose network namespace
it lives, and ends with it.
"""

import contextlib
import heapq
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

TICK = 0.05  # Seconds between two looks whether to end.
CHUNK = 65536


class _Path:
    """`port` leads to `server` until `close`.

    passes  so many answers come through, then it is silence; None: all
    delay   seconds that each answer takes longer
    """

    kind = socket.SOCK_DGRAM

    def __init__(self, server: int, *, passes: int | None = None, delay: float = 0.0) -> None:
        self._server = ("127.0.0.1", server)
        self._left = passes
        self._delay = delay
        self._is_over = threading.Event()
        self._listener = socket.socket(socket.AF_INET, self.kind)
        self._listener.bind(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._run, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads and the connections."""
        self._is_over.set()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        self._listener.close()

    def _may_pass(self) -> bool:
        if self._left is None:
            return True
        self._left -= 1
        return self._left >= 0

    def _run(self) -> None:
        raise NotImplementedError


class UdpPath(_Path):
    """Carries datagrams, those of each client through a socket of its own."""

    def _run(self) -> None:
        outward: dict[tuple[str, int], socket.socket] = {}
        clients: dict[socket.socket, tuple[str, int]] = {}
        later: list[tuple[float, int, tuple[str, int], bytes]] = []
        while not self._is_over.is_set():
            for ready in select.select([self._listener, *clients], [], [], TICK)[0]:
                try:
                    packet, sender = ready.recvfrom(CHUNK)
                except OSError:
                    continue  # The server's port was closed.
                if ready is self._listener:
                    if sender not in outward:
                        outward[sender] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                        outward[sender].connect(self._server)
                        clients[outward[sender]] = sender
                    outward[sender].send(packet)
                elif self._may_pass():
                    heapq.heappush(later, (time.monotonic() + self._delay, len(later), clients[ready], packet))
            while later and later[0][0] <= time.monotonic():
                _, _, client, packet = heapq.heappop(later)
                self._listener.sendto(packet, client)
        for each in clients:
            each.close()


class TcpPath(_Path):
    """Carries streams; an answer is what the server sends at a time."""

    kind = socket.SOCK_STREAM

    def _run(self) -> None:
        self._listener.listen()
        while not self._is_over.is_set():
            if select.select([self._listener], [], [], TICK)[0]:
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._carry, args=(client,), daemon=True))
                self._threads[-1].start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server, contextlib.suppress(OSError):
            while not self._is_over.is_set():
                for ready in select.select([client, server], [], [], TICK)[0]:
                    chunk = ready.recv(CHUNK)
                    if not chunk:
                        return
                    if ready is client:
                        server.sendall(chunk)
                    elif not self._may_pass():
                        self._is_over.wait()  # Frozen: the connection stays open and nothing comes.
                    elif not self._is_over.wait(self._delay):
                        client.sendall(chunk)


class LyingRelay(_Path):
    """Stands in for a BMC over HTTPS, with its certificate, and passes its answers on, but for a lie.

    The first power-off is answered with success and goes no further; the reading after it says "Off".
    """

    kind = socket.SOCK_STREAM

    def __init__(self, server: int, directory: Path) -> None:
        self._inward = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._inward.load_cert_chain(directory / "bmc.pem", directory / "bmc.key")
        self._outward = ssl.create_default_context(cafile=str(directory / "bmc.pem"))
        self._swallow = 1
        self._lie = 0
        super().__init__(server)

    def _run(self) -> None:
        self._listener.listen()
        while not self._is_over.is_set():
            if select.select([self._listener], [], [], TICK)[0]:
                plain, _ = self._listener.accept()
                plain.settimeout(10)
                # A client that hangs up ends its own connection only.
                with contextlib.suppress(OSError), self._inward.wrap_socket(plain, server_side=True) as client:
                    client.sendall(self._answer(_request(client)))

    def _answer(self, request: bytes) -> bytes:
        if b'"ForceOff"' in request and self._swallow:
            self._swallow, self._lie = 0, 1
            return b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
        with (
            socket.create_connection(self._server, timeout=10) as plain,
            self._outward.wrap_socket(plain, server_hostname="127.0.0.1") as server,
        ):
            server.sendall(request)
            answer = b"".join(_chunks(server))
        if self._lie and b'"PowerState": "On"' in answer:
            self._lie = 0
            # Of the same length, so that Content-Length stays right.
            answer = answer.replace(b'"PowerState": "On"', b'"PowerState":"Off"')
        return answer


def _request(client: socket.socket) -> bytes:
    """Return a whole request: headers, and as much body as they say."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = client.recv(CHUNK)
        if not chunk:
            raise ConnectionError("no request")
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        body += client.recv(CHUNK)
    return head + b"\r\n\r\n" + body


def _chunks(server: socket.socket) -> Iterator[bytes]:
    while chunk := server.recv(CHUNK):
        yield chunk
