"""The shared storage as its clients see it: requests over TCP, one JSON object a line, one answer a line.

    {"op": "exists" | "create" | "delete", "disk": NAME}
    {"op": "write", "disk": NAME, "host": ..., "boot_id": ..., "run_id": ..., "counter": ...}

Answered {"ok": true, ...} or {"ok": false, "error": text}. A connection carries one outstanding request. Closing drops
what was not sent yet (SO_LINGER 0): a killed guest must leave nothing in the kernel that is delivered after its death,
as the network card of a host without power delivers nothing.
"""

import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

from minicloud import layout

# Long enough for any local answer; short enough that a guest notices soon that its storage is back.
WRITE_TIMEOUT = 1.0
# What nova-compute waits for; its requests are few and an error fails a user's request.
REQUEST_TIMEOUT = 5.0
MAX_LINE_BYTES = 4096

_LINGER_ZERO = struct.pack("ii", 1, 0)


class StorageError(Exception):
    """The storage could not be reached in time; whether it carried out the request is unknown."""


class RefusedByStorage(StorageError):
    """The storage answered that it cannot do that, such as write to a disk that does not exist."""


class Connection:
    """One connection to the storage; after a StorageError it is closed and good for nothing."""

    def __init__(self, address: tuple[str, int], *, timeout: float) -> None:
        self._timeout = timeout
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise StorageError(f"{address[0]}: {error}") from error

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def request(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and return its answer; RefusedByStorage or StorageError if it was not carried out."""
        deadline = time.monotonic() + self._timeout
        received = bytearray()
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            while not received.endswith(b"\n"):
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                chunk = self._socket.recv(MAX_LINE_BYTES)
                if not chunk or len(received) > MAX_LINE_BYTES:
                    raise ConnectionError("the storage ended the connection")
                received += chunk
        except OSError as error:
            self.close()
            raise StorageError(str(error)) from error
        answer = json.loads(received)
        assert isinstance(answer, dict)
        if not answer["ok"]:
            raise RefusedByStorage(answer["error"])
        return answer


def address(cloud: layout.Layout) -> tuple[str, int]:
    """Return where the storage listens on the storage network."""
    return cloud.nas.plugs[layout.STORAGE], layout.STORAGE_PORT


def disk_exists(disk: str, *, cloud: layout.Layout) -> bool:
    """Say whether there is such a disk. Raises StorageError."""
    return bool(_request(cloud, {"op": "exists", "disk": disk})["exists"])


def create_disk(disk: str, *, cloud: layout.Layout) -> None:
    """Make an empty disk; nothing happens if it is there. Raises StorageError."""
    _request(cloud, {"op": "create", "disk": disk})


def delete_disk(disk: str, *, cloud: layout.Layout) -> None:
    """Take the disk away; nothing happens if there is none. Raises StorageError."""
    _request(cloud, {"op": "delete", "disk": disk})


def _request(cloud: layout.Layout, request: Mapping[str, Any]) -> dict[str, Any]:
    with Connection(address(cloud), timeout=REQUEST_TIMEOUT) as connection:
        return connection.request(request)
