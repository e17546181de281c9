"""Asks a running agent over its local socket; the other end of `server`."""

import json
import pathlib
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

MAX_LINE_BYTES = 16 * 1024 * 1024  # Four thousand hosts on three networks take under three megabytes.
TIMEOUT = 6.0  # Seconds; the agent itself gives up after five.


class ControlError(Exception):
    """The agent could not be asked, or refused; the text says what to do."""


def ask(path: pathlib.Path, verb: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the answer of the agent whose socket is at `path` to `verb`; ControlError otherwise."""
    with Conversation(path, verb, arguments, timeout=TIMEOUT) as conversation:
        for _ in conversation:
            pass
        return conversation.answer


class Conversation:
    """One question and its answer in parts: iterate for the items, then `answer` is the end. A context manager.

    Any of it raises ControlError. timeout: seconds for the whole of it; None waits for as long as the agent goes on.
    """

    def __init__(
        self,
        path: pathlib.Path,
        verb: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None,
    ) -> None:
        self._path = path
        self._request = json.dumps({"verb": verb, "arguments": dict(arguments or {})}).encode("ascii") + b"\n"
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._answer: dict[str, Any] | None = None

    def __enter__(self) -> "Conversation":
        try:
            self._socket.settimeout(TIMEOUT)
            self._socket.connect(str(self._path))
            self._socket.sendall(self._request)
        except OSError as error:
            self._socket.close()
            raise self._fault(error) from error
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line in self._lines():
            part = self._part(line)
            if "item" in part:
                yield _object(part["item"])
                continue
            if part.get("ok") is not True:
                raise ControlError(str(part.get("error", "the agent refused")))
            self._answer = _object(part.get("answer"))
            return
        raise ControlError(f"{self._path} gave no complete answer; is ceilo-gossip-agent still running?")

    @property
    def answer(self) -> dict[str, Any]:
        """What the agent said last. Only after the items."""
        assert self._answer is not None, "the items come first"
        return self._answer

    def _lines(self) -> Iterator[bytes]:
        kept = bytearray()
        while True:
            piece = self._receive()
            if not piece:
                return
            kept += piece
            *lines, rest = kept.split(b"\n") if b"\n" in piece else [kept]
            yield from map(bytes, lines)
            kept = rest
            if len(kept) > MAX_LINE_BYTES:
                raise ControlError(f"{self._path} sent more than {MAX_LINE_BYTES} bytes in one line")

    def _receive(self) -> bytes:
        try:
            if self._deadline is None:
                self._socket.settimeout(None)
            else:
                self._socket.settimeout(max(self._deadline - time.monotonic(), 0.001))
            return self._socket.recv(65536)
        except OSError as error:
            raise self._fault(error) from error

    def _part(self, line: bytes) -> dict[str, Any]:
        try:
            return _object(json.loads(line))
        except ValueError as error:
            raise ControlError(f"{self._path} did not answer in JSON; is it ceilo-gossip-agent's socket?") from error

    def _fault(self, error: OSError) -> ControlError:
        match error:
            case PermissionError():
                return ControlError(
                    f"{self._path} may not be opened; run this as the agent's user, or in its [control] group"
                )
            case FileNotFoundError() | ConnectionRefusedError():
                return ControlError(f"no agent serves {self._path}; start ceilo-gossip-agent or give its --socket")
            case TimeoutError():
                return ControlError(f"the agent at {self._path} did not answer in time; look at its log")
            case _:
                return ControlError(f"{self._path}: {error}")


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ControlError("the agent's answer is of another version; update this command and the agent together")
    return value
