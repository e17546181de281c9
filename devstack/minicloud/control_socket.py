"""Commands over a Unix socket: one JSON object a line, one answer a line, then the connection ends.

The socket file has mode 0600. A served request that raises `CommandError` is answered {"error": text}; the client
raises the same exception again. The server never blocks on a client: what has not arrived within the bounds is dropped.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# A boot's units with their environments are a few kilobytes.
MAX_MESSAGE_BYTES = 1 << 20
# How long a connected client may take to write its line; it is local and writes at once.
REQUEST_TIMEOUT = 1.0
BACKLOG = 64


class CommandError(Exception):
    """The other side understood the command and refused it, or could not be reached."""


class ControlServer:
    """A listening control socket, to be driven by its owner's event loop: register `fileno()`, call `serve_one`."""

    def __init__(self, path: Path, serve: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        self.path = path
        self._serve = serve
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(mask)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)

    def fileno(self) -> int:
        return self._listener.fileno()

    def serve_one(self) -> None:
        """Accept one connection, carry out its command, answer."""
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        # A client that went away has lost its answer, which is all that it can lose.
        with connection, contextlib.suppress(OSError):
            connection.settimeout(REQUEST_TIMEOUT)
            line = _receive_line(connection, time.monotonic() + REQUEST_TIMEOUT)
            try:
                request = json.loads(line)
                if not isinstance(request, dict):
                    raise CommandError("the request is not a JSON object")
                answer = dict(self._serve(request))
            except (CommandError, ValueError, KeyError, TypeError) as error:
                answer = {"error": str(error) or repr(error)}
            connection.sendall(json.dumps(answer).encode() + b"\n")

    def close(self) -> None:
        self._listener.close()
        self.path.unlink(missing_ok=True)


def call(path: Path, request: Mapping[str, Any], *, timeout: float) -> dict[str, Any]:
    """Send one command and return its answer; CommandError if it is refused or nobody answers within `timeout` s."""
    deadline = time.monotonic() + timeout
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            line = _receive_line(connection, deadline)
    except OSError as error:
        raise CommandError(f"{path}: {error}") from error
    answer = json.loads(line)
    assert isinstance(answer, dict)
    if "error" in answer:
        raise CommandError(f"{path.parent.name}: {answer['error']}")
    return answer


def _receive_line(connection: socket.socket, deadline: float) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no whole line in time")
        connection.settimeout(left)
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError("the connection ended before the line did")
        received += chunk
        if len(received) > MAX_MESSAGE_BYTES:
            raise ConnectionError(f"a line of more than {MAX_MESSAGE_BYTES} bytes")
    return bytes(received)
