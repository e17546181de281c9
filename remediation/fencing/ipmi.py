"""The IPMI driver: IPMI 2.0 over LAN through pyghmi.

Each operation is a short-lived child process (`bmc_operation`) in a process group of its own that is killed at its
deadline: a BMC that freezes during login holds pyghmi for ever, and a thread cannot be killed. Credentials travel on
the child's standard input. After a deadline the state is unknown, never off.
"""

import datetime
import ipaddress
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from remediation.fencing.driver import FenceTarget, PowerState
from remediation.fencing.errors import BmcError, InventoryError, Stage
from remediation.fencing.evidence import Evidence
from remediation.fencing.pyghmi_errors import explain
from remediation.fencing.secret import Secret

DEFAULT_PORT: Final = 623  # IANA: asf-rmcp.
DEFAULT_INTERVAL: Final = 1.2  # Seconds between the two readings: a BMC may lie for a second (the reference says so).
MAX_USER_BYTES: Final = 16  # IPMI 2.0, section 22.29.
MAX_PASSWORD_BYTES: Final = 20  # IPMI 2.0, section 22.30.
REAP_SECONDS: Final = 2.0  # For a killed child to be gone; the kernel needs milliseconds.
_PACKAGE_PARENT: Final = str(Path(__file__).resolve().parents[2])
RunChild = Callable[[bytes, float, str], list[dict[str, Any]]]  # (request, seconds, host) -> the child's lines
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")

_PROPERTIES: Final = {
    "address": "required: IP address or name of the BMC",
    "port": f"UDP port of the BMC; default {DEFAULT_PORT}",
    "user": f"required: user with the privilege OPERATOR, at most {MAX_USER_BYTES} bytes",
    "password": f"the user's password, at most {MAX_PASSWORD_BYTES} bytes; this or password_file is required",
    "password_file": "file, mode 0600, whose first line is the password; relative to the inventory",
    "confirm_interval": f'seconds between the two readings of "off"; 0.2 to 30, default {DEFAULT_INTERVAL}',
}


class IpmiDriver:
    """Fences hosts through their BMC. Keeps no state; may be used from several threads."""

    name = "ipmi"

    def __init__(
        self,
        wall_clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
        *,
        run_child: RunChild | None = None,
    ) -> None:
        """run_child: another than a real process lets a simulated world answer for its BMCs."""
        self._wall_clock = wall_clock
        self._run_child = run_child or _run_child

    def get_properties(self) -> Mapping[str, str]:
        """Return the fields of an inventory entry and what they mean."""
        return _PROPERTIES

    def validate(self, target: FenceTarget) -> None:
        """Raise InventoryError unless the fields are there and can be right. Talks to nobody."""
        options = target.options
        for field in options:
            if field not in _PROPERTIES:
                raise _refusal(target, field, "is not a field of driver ipmi", f"Known are {', '.join(_PROPERTIES)}")
        address = options.get("address")
        if not isinstance(address, str) or not (_is_ip_address(address) or _HOST_NAME.match(address)):
            raise _refusal(target, "address", "is missing or neither an address nor a name", "Write the BMC's address")
        port = options.get("port", DEFAULT_PORT)
        if not isinstance(port, int) or not 1 <= port <= 65535:
            raise _refusal(target, "port", "is not a port number", "Write a number from 1 to 65535, or leave it out")
        user = options.get("user")
        if not isinstance(user, str) or not 1 <= len(user.encode()) <= MAX_USER_BYTES:
            remedy = f"Write 1 to {MAX_USER_BYTES} bytes of text"
            raise _refusal(target, "user", "is missing, no text, or longer than IPMI allows", remedy)
        password = options.get("password")
        if not isinstance(password, Secret):
            raise _refusal(target, "password", "is missing", "Write password_file (better) or password")
        if not 1 <= len(password.reveal().encode()) <= MAX_PASSWORD_BYTES:
            remedy = f"Give the BMC's user a password of 1 to {MAX_PASSWORD_BYTES} bytes"
            raise _refusal(target, "password", "is empty or longer than IPMI allows", remedy)
        interval = options.get("confirm_interval", DEFAULT_INTERVAL)
        if not isinstance(interval, int | float) or not 0.2 <= interval <= 30:
            raise _refusal(target, "confirm_interval", "is not from 0.2 to 30 seconds", "Correct it, or leave it out")

    def device(self, target: FenceTarget) -> str:
        """Return address and port of the BMC. A name and its address are two devices: nobody is asked."""
        address, port = target.options.get("address"), target.options.get("port", DEFAULT_PORT)
        if not isinstance(address, str) or not address:
            return ""
        if _is_ip_address(address):
            return f"[{ipaddress.ip_address(address)}]:{port}"
        return f"{address.lower().rstrip('.')}:{port}"

    def power_state(self, target: FenceTarget, deadline_seconds: float) -> PowerState:
        """Return one reading of the BMC. Raises BmcError within the deadline."""
        return PowerState(self._operate(target, "power-state", deadline_seconds)["state"])

    def fence(self, target: FenceTarget, deadline_seconds: float) -> Evidence:
        """Switch off, read "off" in two sessions, return that as evidence. Raises BmcError within the deadline."""
        answer = self._operate(target, "fence", deadline_seconds)
        # Not an assertion that could be left out: this is the one place where words become evidence.
        if answer.get("state") != "off":
            raise BmcError("the host is not off", host=target.host, stage=Stage.CONFIRM, is_final=False)
        bmc = f"{target.options['address']}:{target.options.get('port', DEFAULT_PORT)}"
        action = "was off already" if answer["was"] == "off" else "was on and was switched off"
        return Evidence(
            host=target.host,
            method=self.name,
            statement=f'the host {action}; its BMC at {bmc} said "off" in two sessions, {answer["interval"]:g} s apart',
            observed_at=self._wall_clock().isoformat(),
            details={
                "bmc": bmc,
                "was": str(answer["was"]),
                "rounds": str(answer["rounds"]),
                "power_down_code": f"{int(answer['code']):02x}h",
            },
        )

    def _operate(self, target: FenceTarget, operation: str, seconds: float) -> dict[str, Any]:
        """Run one child process to its answer. Raises BmcError."""
        self.validate(target)
        password = target.options["password"]
        assert isinstance(password, Secret), "validated above"
        request = {
            "operation": operation,
            "address": target.options["address"],
            "port": target.options.get("port", DEFAULT_PORT),
            "user": target.options["user"],
            "password": password.reveal(),
            "interval": target.options.get("confirm_interval", DEFAULT_INTERVAL),
            "seconds": seconds,
        }
        lines = self._run_child(json.dumps(request).encode(), seconds, target.host)
        stage = Stage.START
        for line in lines:
            if "answer" in line:
                answer: dict[str, Any] = line["answer"]
                return answer
            if "error" in line:
                error = line["error"]
                stage = Stage(error["stage"]) if error["stage"] else stage
                sentence, is_final = explain(stage, error["kind"], error["text"])
                raise BmcError(_at(stage, sentence), host=target.host, stage=stage, is_final=is_final)
            stage = Stage(line["stage"])
        sentence, is_final = explain(stage, "killed", f"killed at the deadline of {seconds:.1f} s")
        raise BmcError(_at(stage, sentence), host=target.host, stage=stage, is_final=is_final)


def _run_child(request: bytes, seconds: float, host: str) -> list[dict[str, Any]]:
    """Return the lines that the child wrote before it ended or was killed, with its whole group, at the deadline."""
    deadline = time.monotonic() + seconds
    path = os.pathsep.join(part for part in (_PACKAGE_PARENT, os.environ.get("PYTHONPATH", "")) if part)
    try:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "remediation.fencing.bmc_operation"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # A traceback of pyghmi is no place that promises to hold no secret.
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "PYTHONPATH": path},
            start_new_session=True,
        )
    except OSError as error:
        text = f"the process that talks to the BMC cannot be started: {error.strerror}"
        raise BmcError(text, host=host, stage=Stage.START, is_final=False) from error
    try:
        output, _ = child.communicate(request, timeout=max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        _kill_group(child)
        try:
            output, _ = child.communicate(timeout=REAP_SECONDS)
        except subprocess.TimeoutExpired:
            output = b""
    finally:
        _kill_group(child)
    return [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith(b"\n")]


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and the sessions it forked. Its group's number is its own and not reused while any is left."""
    if child.returncode is not None:
        return
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _refusal(target: FenceTarget, field: str, problem: str, remedy: str) -> InventoryError:
    return InventoryError(problem, file=target.file, host=target.host, field=field, remedy=remedy)


def _at(stage: Stage, sentence: str) -> str:
    return f"at {stage}: {sentence}"


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
