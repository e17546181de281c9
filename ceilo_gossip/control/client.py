"""Asks a running agent over its local socket; the other end of `server`."""

import json
import pathlib
import socket
import time
from typing import Any

MAX_ANSWER_BYTES = 16 * 1024 * 1024  # Four thousand hosts on three networks take under three megabytes.
TIMEOUT = 6.0  # Seconds; the agent itself gives up after five.


class ControlError(Exception):
    """The agent could not be asked, or refused; the text says what to do."""


def ask(path: pathlib.Path, verb: str) -> dict[str, Any]:
    """Return the answer of the agent whose socket is at `path` to `verb`; ControlError otherwise."""
    line = _exchange(path, json.dumps({"verb": verb}).encode() + b"\n")
    try:
        reply = json.loads(line)
    except ValueError as error:
        raise ControlError(f"{path} gave no complete answer; is it the socket of ceilo-gossip-agent?") from error
    if not isinstance(reply, dict) or not reply.get("ok"):
        raise ControlError(str(reply.get("error", "the agent refused")) if isinstance(reply, dict) else "no answer")
    answer = reply["answer"]
    if not isinstance(answer, dict):
        raise ControlError("the agent's answer is of another version; update this command and the agent together")
    return answer


def _exchange(path: pathlib.Path, request: bytes) -> bytes:
    deadline = time.monotonic() + TIMEOUT
    chunks: list[bytes] = []
    size = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.settimeout(TIMEOUT)
            connection.connect(str(path))
            connection.sendall(request)
            while size <= MAX_ANSWER_BYTES:
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                chunk = connection.recv(65536)
                if not chunk:
                    return b"".join(chunks)
                chunks.append(chunk)
                size += len(chunk)
        except PermissionError as error:
            raise ControlError(f"{path} may not be opened; run this as the user of ceilo-gossip-agent") from error
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise ControlError(f"no agent serves {path}; start ceilo-gossip-agent or give its --socket") from error
        except OSError as error:
            raise ControlError(f"{path}: {error}") from error
    raise ControlError(f"{path} sent more than {MAX_ANSWER_BYTES} bytes")
