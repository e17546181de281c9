"""One session with one BMC, in a process of its own: log in, see whose BMC it is, do one thing, end.

The libraries keep sessions, sockets and threads for the life of a process, and a BMC that freezes can hold a call for
ever. So each session is a fork of a process that has imported the library and never used it: as clean as a new process,
without the time of the imports (measured: an IPMI session is 10 ms, a new interpreter with pyghmi 110 ms, with sushy
300 ms). It is killed at its limit.

What is done in which order is decided here, once for all protocols; a protocol brings the verbs (`Bmc`).

Only for the child that `bmc_operation` is: it forks, so there must be no threads.
"""

import base64
import contextlib
import enum
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from remediation.fencing import guid as guids

POLL_SECONDS: Final = 0.1  # Between two looks whether the power has changed.
LOG_OUT_SECONDS: Final = 0.5  # For a BMC to take leave after it has told all: it frees a slot, of which they have few.
MAX_TEXT: Final = 300  # Of an error: what the libraries say is one line.


class Task(enum.StrEnum):
    """What a session is opened for."""

    READ = "read"  # read whose BMC it is and the power state
    POWER_OFF = "power-off"  # power down, then read until the state is off or time is up
    POWER_ON = "power-on"  # power up, then read until the state is on or time is up


class SessionError(Exception):
    """A session failed: at `stage` (a value of errors.Stage), with an exception of class `kind` that said `text`."""

    def __init__(self, stage: str, kind: str, text: str) -> None:
        super().__init__(f"{stage}: {kind}: {text}")
        self.stage = stage
        self.kind = kind
        self.text = text


class BmcLogin:
    """Where the BMC is and how to log in. Has no repr of its secrets.

    user and password are bytes: given text, pyghmi's sessions hang or die (see its Session.__new__).
    guid      of the machine that the BMC must belong to, or "" when none is expected
    settings  what else the protocol wants to know, by the names of the driver's fields
    """

    def __init__(
        self,
        address: str,
        port: int,
        user: str,
        password: str,
        *,
        guid: str = "",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.address = address
        self.port = port
        self.user = user.encode()
        self.password = password.encode()
        self.guid = guid
        self.settings = dict(settings or {})

    def redact(self, text: str) -> str:
        """Return one line of `text` without the password, in whatever form the libraries may quote it."""
        line = " ".join(text.split())
        basic = base64.b64encode(self.user + b":" + self.password).decode()
        for secret in (self.password.decode(), repr(self.password)[2:-1], json.dumps(self.password.decode()), basic):
            if secret.strip('"'):
                line = line.replace(secret.strip('"'), "<secret>")
        return line[:MAX_TEXT]


class Bmc(Protocol):
    """The verbs of one protocol. Any of them may raise anything; a SessionError without a stage is given the current.

    Built in the session's own process. The verbs are called in this order, each at most once but `power`.
    """

    def resolve(self) -> None:
        """Turn the name of the BMC into an address."""

    def log_in(self) -> None:
        """Open a session. Afterwards the credentials are known to be right."""

    def guid(self) -> str:
        """Return the GUID of the machine as the BMC tells it, or "" when it tells none."""

    def power(self) -> str:
        """Return "on" or "off" as it is now."""

    def switch(self, task: Task, was: str) -> str:
        """Ask for power off or on, and return the BMC's answer in a few letters.

        Sent although the host may be said to be in that state: a BMC that shows an old state is then harmless. Raises
        SessionError when the BMC did not accept it, unless it refused because the host, which `was` so, is so.
        """

    def log_out(self) -> None:
        """End the session; what the BMC says to that does not matter."""


Connect = Callable[[BmcLogin], Bmc]


def run_session(
    connect: Connect,
    login: BmcLogin,
    task: Task,
    seconds: float,
    *,
    report_stage: Callable[[str], None] = lambda stage: None,
) -> dict[str, Any]:
    """Open a session in a forked process, do `task`, return its answer: "state", "was", "guid", and "code" if switched.

    `report_stage` is called in the forked process. Raises SessionError; of kind "killed" after `seconds`.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        # Should the process that forked us be killed alone, nobody else would end us.
        signal.setitimer(signal.ITIMER_REAL, seconds + 1)
        # Everything, the libraries' own threads included, ends here, whatever happened.
        try:
            _converse(writer, connect, login, task, seconds, report_stage)
        finally:
            os._exit(0)
    os.close(writer)
    try:
        return _answer(reader, seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)


def _answer(reader: int, seconds: float) -> dict[str, Any]:
    """Read the forked process's one line, and let it take leave of the BMC until it closes its pipe or time is up."""
    deadline = time.monotonic() + seconds
    received = b""
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(reader, 65536) if ready else b""
        received += chunk
        if received.endswith(b"\n"):
            deadline = min(deadline, time.monotonic() + LOG_OUT_SECONDS)
        if not ready and not received.endswith(b"\n"):
            raise SessionError("", "killed", f"session ended after {seconds:.1f} s")
        if not chunk:
            break
    if not received.endswith(b"\n"):
        raise SessionError("", "died", "the session's process ended without an answer")
    answer: dict[str, Any] = json.loads(received)
    if "error" in answer:
        raise SessionError(**answer["error"])
    return answer


def _converse(
    writer: int,
    connect: Connect,
    login: BmcLogin,
    task: Task,
    seconds: float,
    report_stage: Callable[[str], None],
) -> None:
    stage = "resolve"

    def enter(new_stage: str) -> None:
        nonlocal stage
        stage = new_stage
        report_stage(new_stage)

    bmc: Bmc | None = None
    try:
        enter("resolve")
        bmc = connect(login)
        answer = _session(bmc, login.guid, task, time.monotonic() + seconds, enter)
    except SessionError as error:
        answer = {"error": _error(error.stage or stage, error.kind, login.redact(error.text))}
    except Exception as error:  # noqa: BLE001  (the top of this process; the libraries raise anything, and all is told)
        answer = {"error": _error(stage, type(error).__name__, login.redact(str(error)))}
    os.write(writer, json.dumps(answer).encode() + b"\n")
    if bmc is not None:
        with contextlib.suppress(Exception):
            bmc.log_out()


def _session(bmc: Bmc, expected: str, task: Task, deadline: float, enter: Callable[[str], None]) -> dict[str, Any]:
    bmc.resolve()
    enter("login")
    bmc.log_in()
    enter("identify")
    told = bmc.guid()
    if expected and not told:
        raise SessionError("", "no-guid", "")
    if expected and not guids.is_same(expected, told):
        raise SessionError("", "other-guid", told)
    enter("read")
    was = bmc.power()
    answer: dict[str, Any] = {"was": was, "state": was, "guid": told}
    if task is Task.READ:
        return answer
    wanted = "off" if task is Task.POWER_OFF else "on"
    enter(task.value)
    answer["code"] = bmc.switch(task, was)
    enter("confirm")
    answer["state"] = bmc.power()
    while answer["state"] != wanted and time.monotonic() + 2 * POLL_SECONDS < deadline:
        time.sleep(POLL_SECONDS)
        answer["state"] = bmc.power()
    return answer


def _error(stage: str, kind: str, text: str) -> dict[str, str]:
    return {"stage": stage, "kind": kind, "text": text}
