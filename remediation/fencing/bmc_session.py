"""One session with one BMC, in a process of its own: log in, do one thing, end.

pyghmi keeps sessions, sockets and a thread for the life of a process, and a BMC that freezes can hold a call for ever.
So each session is a fork of a process that has imported pyghmi and never used it: as clean as a new process, without
the 0.1 s of imports (measured: a session is 10 ms, a new interpreter with pyghmi 110 ms). It is killed at its limit.

Only for the child that `bmc_operation` is: it forks, so there must be no threads.
"""

import contextlib
import enum
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from pyghmi.ipmi import command
from pyghmi.ipmi.private import session as pyghmi_session

POLL_SECONDS: Final = 0.1  # Between two looks whether the power-off has taken effect.
MAX_WAIT_SECONDS: Final = 0.02  # See _bound_waits.
MAX_TEXT: Final = 300  # Of an error: what pyghmi says is one line.
_NETFN_CHASSIS: Final = 0x00  # IPMI 2.0, table 5-1.
_CHASSIS_CONTROL: Final = 0x02  # IPMI 2.0, section 28.3.
_POWER_DOWN: Final = 0x00
_COMPLETED: Final = 0x00  # IPMI 2.0, table 5-2, as the next.
_NOT_IN_THIS_STATE: Final = 0xD5


class Task(enum.StrEnum):
    """What a session is opened for."""

    READ = "read"  # read the power state
    POWER_OFF = "power-off"  # power down, then read until the state is off or time is up


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
    """

    def __init__(self, address: str, port: int, user: str, password: str) -> None:
        self.address = address
        self.port = port
        self.user = user.encode()
        self.password = password.encode()

    def redact(self, text: str) -> str:
        """Return one line of `text` without the password."""
        line = " ".join(text.split())
        for secret in (self.password.decode(), repr(self.password)[2:-1]):
            if secret:
                line = line.replace(secret, "<secret>")
        return line[:MAX_TEXT]


def run_session(
    login: BmcLogin, task: Task, seconds: float, *, report_stage: Callable[[str], None] = lambda stage: None
) -> dict[str, Any]:
    """Open a session in a forked process, do `task`, return its answer: "state" and what else it learned.

    `report_stage` is called in the forked process. Raises SessionError; of kind "killed" after `seconds`.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        # Should the process that forked us be killed alone, nobody else would end us.
        signal.setitimer(signal.ITIMER_REAL, seconds + 1)
        # Everything, pyghmi's own thread included, ends here, whatever happened.
        try:
            _write(writer, _session(login, task, seconds, report_stage))
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
    """Read the forked process's one line until it closes its pipe or time is up."""
    deadline = time.monotonic() + seconds
    received = b""
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise SessionError("", "killed", f"session ended after {seconds:.1f} s")
        chunk = os.read(reader, 65536)
        if not chunk:
            break
        received += chunk
    if not received:
        raise SessionError("", "died", "the session's process ended without an answer")
    answer: dict[str, Any] = json.loads(received)
    if "error" in answer:
        raise SessionError(**answer["error"])
    return answer


def _session(login: BmcLogin, task: Task, seconds: float, report_stage: Callable[[str], None]) -> dict[str, Any]:
    stage = "resolve"

    def enter(new_stage: str) -> None:
        nonlocal stage
        stage = new_stage
        report_stage(new_stage)

    deadline = time.monotonic() + seconds
    try:
        _bound_waits()
        enter("resolve")
        socket.getaddrinfo(login.address, login.port, 0, socket.SOCK_DGRAM)
        enter("login")
        bmc = command.Command(login.address, login.user, login.password, port=login.port)
        enter("read")
        was = bmc.get_power()["powerstate"]
        answer: dict[str, Any] = {"was": was, "state": was}
        if task is Task.POWER_OFF:
            enter("power-off")
            # Sent although the host may say that it is off: a BMC that shows an old state is then harmless. `set_power`
            # would send nothing.
            response = bmc.raw_command(netfn=_NETFN_CHASSIS, command=_CHASSIS_CONTROL, data=[_POWER_DOWN])
            answer["code"] = int(response.get("code", _COMPLETED))
            refusal = power_down_refusal(response, was)
            if refusal:
                return {"error": _error(stage, "IpmiException", login.redact(refusal))}
            enter("confirm")
            answer["state"] = bmc.get_power()["powerstate"]
            while answer["state"] != "off" and time.monotonic() + 2 * POLL_SECONDS < deadline:
                time.sleep(POLL_SECONDS)
                answer["state"] = bmc.get_power()["powerstate"]
    except Exception as error:  # noqa: BLE001  (the top of this process; pyghmi raises anything, and all of it is told)
        return {"error": _error(stage, type(error).__name__, login.redact(str(error)))}
    # Free the BMC's session slot (they have few); its answer does not matter to ours, which is complete.
    with contextlib.suppress(Exception):
        bmc.ipmi_session.logout()
    return answer


def power_down_refusal(response: Mapping[str, Any], was: str) -> str:
    """Return why a power-down is not known to be carried out, or "" when it is, or was not needed.

    A host that is off answers 00h, or d5h (not supported in the present state). Any other code, of a busy BMC or one
    that lets us read only, leaves a BMC that shows an old "off" uncontradicted: that is no evidence.
    """
    code = int(response.get("code", _COMPLETED))
    if code == _NOT_IN_THIS_STATE and was == "off":
        return ""
    if code == _COMPLETED and "error" not in response:
        return ""
    return f"{response.get('error', 'the power-down failed')} (completion code {code:02x}h)"


def _bound_waits() -> None:
    """Let pyghmi look for packets again after at most MAX_WAIT_SECONDS.

    An answer that arrives before the asking thread has begun to wait (0.1 ms, a near BMC) is put in a queue that pyghmi
    1.6 looks at only when it sends the request once more, 0.5 to 1 s later. All its callers loop, so that a shorter
    wait changes nothing else.
    """
    wait = pyghmi_session._io_wait

    def bounded_wait(timeout: float, *arguments: Any) -> None:
        wait(min(timeout, MAX_WAIT_SECONDS), *arguments)

    pyghmi_session._io_wait = bounded_wait


def _error(stage: str, kind: str, text: str) -> dict[str, str]:
    return {"stage": stage, "kind": kind, "text": text}


def _write(descriptor: int, answer: dict[str, Any]) -> None:
    os.write(descriptor, json.dumps(answer).encode())
