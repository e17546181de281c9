"""What the drivers `ipmi` and `redfish` share: an operation on a BMC, run in a child process to its answer.

Each operation is a short-lived child process (`bmc_operation`) in a process group of its own that is killed at its
deadline: a BMC that freezes during login holds the libraries for ever, and a thread cannot be killed. Credentials
travel on the child's standard input. After a deadline the state is unknown, never off.
"""

import datetime
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from remediation.fencing.driver import FenceTarget, PowerState
from remediation.fencing.errors import BmcError, Stage
from remediation.fencing.evidence import Evidence
from remediation.fencing.guid import UNCHECKED

# What an operation may take beyond its deadline: to start the child, and for a killed one to be gone. Both take some
# milliseconds; the rest is for a machine that has no time for us.
GRACE_SECONDS: Final = 2.0
_PACKAGE_PARENT: Final = str(Path(__file__).resolve().parents[2])

RunChild = Callable[[bytes, float, str], list[dict[str, Any]]]  # (request, seconds, host) -> the child's lines
Explain = Callable[[Stage, str, str], tuple[str, bool]]  # (stage, kind, text) -> (sentence, is_final)


class BmcProcess:
    """Runs the operations of one driver.

    method      the driver's name, and that of the protocol
    explain     what the errors of the protocol's library mean
    wall_clock  for the instant in the evidence
    run_child   another than a real process lets a simulated world answer for its BMCs
    """

    def __init__(
        self,
        method: str,
        explain: Explain,
        wall_clock: Callable[[], datetime.datetime],
        run_child: RunChild | None = None,
    ) -> None:
        self._method = method
        self._explain = explain
        self._wall_clock = wall_clock
        self._run_child = run_child or _run_child

    def power_state(self, target: FenceTarget, request: Mapping[str, Any], seconds: float) -> PowerState:
        """Return one reading of the BMC. Raises BmcError within the deadline, as the others do."""
        return PowerState(self._operate(target, "power-state", request, seconds)["state"])

    def read_guid(self, target: FenceTarget, request: Mapping[str, Any], seconds: float) -> str:
        """Return the GUID that the BMC tells, compared with none."""
        return str(self._operate(target, "power-state", {**request, "guid": ""}, seconds).get("guid", ""))

    def power_on(self, target: FenceTarget, request: Mapping[str, Any], seconds: float) -> None:
        """Switch on and read "on"."""
        self._operate(target, "power-on", request, seconds)

    def fence(self, target: FenceTarget, request: Mapping[str, Any], seconds: float, *, remark: str = "") -> Evidence:
        """Switch off, read "off" in two sessions, return that as evidence; its statement ends with `remark`."""
        answer = self._operate(target, "fence", request, seconds)
        # Not an assertion that could be left out: this is the one place where words become evidence.
        if answer.get("state") != "off":
            raise BmcError("the host is not off", host=target.host, stage=Stage.CONFIRM, is_final=False)
        bmc = f"{request['address']}:{request['port']}"
        action = "was off already" if answer["was"] == "off" else "was on and was switched off"
        said = f'its BMC at {bmc} said "off" in two sessions, {answer["interval"]:g} s apart'
        return Evidence(
            host=target.host,
            method=self._method,
            statement=f"the host {action}; {said}{remark}",
            observed_at=self._wall_clock().isoformat(),
            details={
                "bmc": bmc,
                "was": str(answer["was"]),
                "rounds": str(answer["rounds"]),
                "power_down_code": str(answer["code"]),
                "guid": str(answer.get("guid") or "not told"),
                "identity": _identity(target),
            },
        )

    def _operate(
        self, target: FenceTarget, operation: str, request: Mapping[str, Any], seconds: float
    ) -> dict[str, Any]:
        """Run one child process to its answer. Raises BmcError."""
        expected = str(target.options.get("guid", target.learned_guid))
        complete = {
            "guid": "" if expected == UNCHECKED else expected,
            "settings": {},
            **request,
            "operation": operation,
            "protocol": self._method,
            "seconds": seconds,
        }
        stage = Stage.START
        for line in self._run_child(json.dumps(complete).encode(), seconds, target.host):
            if "answer" in line:
                answer: dict[str, Any] = line["answer"]
                return answer
            if "error" in line:
                error = line["error"]
                stage = Stage(error["stage"]) if error["stage"] else stage
                raise self._error(target, stage, error["kind"], error["text"])
            stage = Stage(line["stage"])
        raise self._error(target, stage, "killed", f"killed at the deadline of {seconds:.1f} s")

    def _error(self, target: FenceTarget, stage: Stage, kind: str, text: str) -> BmcError:
        sentence, is_final = _common(target, kind, text) or self._explain(stage, kind, text)
        return BmcError(f"at {stage}: {sentence}", host=target.host, stage=stage, is_final=is_final)


def _common(target: FenceTarget, kind: str, text: str) -> tuple[str, bool] | None:
    """Return (sentence, is_final) for what is the same in every protocol, or None."""
    in_inventory = "guid" in target.options
    expected = str(target.options["guid"]) if in_inventory else target.learned_guid
    source = "the inventory says" if in_inventory else "it said before that it is"
    match kind:
        case "gaierror":
            # A name that does not exist today may exist once DNS is back: in an outage, DNS is often part of it.
            return f"the BMC's address cannot be resolved ({text})", False
        case "killed":
            return f"the BMC did not answer in time ({text}); what it would have said is unknown", False
        case "unconfirmed":
            return text, False
        case "other-guid":
            remedy = f"correct the address of the BMC; if the machine was replaced, write guid: {text} in the inventory"
            return (
                f"the BMC is that of the machine {text}, and {source} {expected}. Nothing was switched; {remedy}",
                True,
            )
        case "no-guid":
            remedy = f"if it never tells one, write guid: {UNCHECKED} in the inventory"
            # One that told it before will tell it again.
            return (
                f"the BMC does not tell its GUID, and {source} {expected}. Nothing was switched; {remedy}",
                in_inventory,
            )
        case "changed-guid":
            return f"two sessions were with the BMCs of two machines: {text}; two devices use the address", False
    return None


def _identity(target: FenceTarget) -> str:
    if target.options.get("guid") == UNCHECKED:
        return "not checked, as the inventory says"
    if "guid" in target.options:
        return "as in the inventory"
    return "as before" if target.learned_guid else "not known before"


def _run_child(request: bytes, seconds: float, host: str) -> list[dict[str, Any]]:
    """Return the lines that the child wrote before it ended or was killed, with its whole group, at the deadline."""
    deadline = time.monotonic() + seconds
    path = os.pathsep.join(part for part in (_PACKAGE_PARENT, os.environ.get("PYTHONPATH", "")) if part)
    try:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "remediation.fencing.bmc_operation"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # A traceback of a library is no place that promises to hold no secret.
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
            output, _ = child.communicate(timeout=GRACE_SECONDS)
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
