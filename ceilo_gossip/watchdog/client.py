"""The agent's way to the watchdog process: short exchanges that never block for long.

The process answers within a moment or is in trouble; an agent that waited for it would be in trouble too.
"""

import socket
from pathlib import Path
from typing import Final

from ceilo_gossip.watchdog.messages import (
    MAX_PACKET,
    MessageError,
    Request,
    WatchdogState,
    decode_answer,
    encode_request,
)

TIMEOUT: Final = 0.5  # Seconds; the process answers in less than a millisecond.


class WatchdogUnavailable(Exception):
    """The watchdog process cannot be asked; the text says why, and what to do."""


class WatchdogRefused(Exception):
    """The watchdog process will not do it; the text says why."""


class WatchdogClient:
    """Talks to the process at `path`; connects again after any trouble."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: socket.socket | None = None

    def ask(self, request: Request) -> WatchdogState:
        """Send a request and return the state after it. `WatchdogUnavailable`, `WatchdogRefused`."""
        try:
            connection = self._connect()
            connection.send(encode_request(request))
            packet = connection.recv(MAX_PACKET)
            if not packet:
                raise ConnectionResetError("it hung up")
            answer = decode_answer(packet)
        except (OSError, MessageError) as error:
            self.close()
            raise WatchdogUnavailable(
                f"{self._path} cannot be asked ({error}); is ceilo-gossip-watchdog running?"
            ) from error
        if isinstance(answer, str):
            raise WatchdogRefused(answer)
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> socket.socket:
        if self._connection is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
            connection.settimeout(TIMEOUT)
            try:
                connection.connect(str(self._path))
            except OSError:
                connection.close()
                raise
            self._connection = connection
        return self._connection
