"""One operation on one BMC, in a process of its own: `python -m remediation.fencing.bmc_operation`.

The operations: "power-state" (which tells the GUID too), "fence", "power-on"; the request says in which protocol.

Standard input is one JSON object, credentials included; nothing is in the arguments or the environment. Standard
output is JSON lines: `{"stage": ...}` as the operation proceeds, so that whoever kills it knows how far it came, and at
the end `{"answer": {...}}` or `{"error": {"stage", "kind", "text"}}`. Without such an end nothing is known.

Each session with the BMC is a further process (`bmc_session`). "off" needs two readings in two sessions, `interval`
seconds apart, because a BMC may show for a second what was asked of it and not what is.
"""

import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from remediation.fencing import guid as guids
from remediation.fencing.bmc_session import BmcLogin, Connect, SessionError, Task, run_session

MAX_REQUEST_BYTES: Final = 65536
MAX_ROUNDS: Final = 5  # Power-off and two readings; more contradictions than that are a BMC not to be believed.
MIN_SESSION_SECONDS: Final = 0.2  # A session needs 10 ms on loopback, 100 ms and more on a real BMC.

OpenSession = Callable[[Task, float], dict[str, Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What standard input says: what to do, with which BMC, in which protocol, within how many seconds."""

    operation: str
    protocol: str
    login: BmcLogin
    interval: float
    seconds: float

    @classmethod
    def from_json(cls, text: bytes) -> "Request":
        """Raises ValueError, KeyError or TypeError when the parent wrote nonsense: our own fault."""
        fields = json.loads(text)
        login = BmcLogin(
            fields["address"],
            int(fields["port"]),
            fields["user"],
            fields["password"],
            guid=fields["guid"],
            settings=fields["settings"],
        )
        return cls(fields["operation"], fields["protocol"], login, float(fields["interval"]), float(fields["seconds"]))


def prove_off(
    open_session: OpenSession,
    *,
    interval: float,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Switch off and read "off" in two sessions `interval` apart; return what was seen.

    A reading that says "on" starts over. Raises SessionError when a session failed, at stage "identify" when the second
    session was with the BMC of another machine, or at stage "confirm" when the BMC still contradicted itself after
    MAX_ROUNDS or when `seconds` were used up.
    """
    deadline = clock() + seconds
    was: str | None = None
    for round_number in range(1, MAX_ROUNDS + 1):
        # Half of the time for the power-off, so that one frozen session does not use up what a second try needs.
        first = _with_retry(open_session, Task.POWER_OFF, deadline, clock)
        was = "on" if "on" in (was, first["was"]) else "off"
        if first["state"] != "off":
            if clock() + interval >= deadline:
                break
            continue
        if clock() + interval + MIN_SESSION_SECONDS > deadline:
            break
        sleep(interval)
        second = _with_retry(open_session, Task.READ, deadline, clock)
        told = (first.get("guid", ""), second.get("guid", ""))
        if all(told) and not guids.is_same(*told):
            raise SessionError("identify", "changed-guid", f"{told[0]} and then {told[1]}")
        if second["state"] == "off":
            return {
                "state": "off",
                "was": was,
                "rounds": round_number,
                "interval": interval,
                "code": first["code"],
                "guid": told[0] or told[1],
            }
        was = "on"  # The first reading was a lie.
    raise SessionError("confirm", "unconfirmed", 'the BMC did not say "off" twice in a row')


def switch_on(
    open_session: OpenSession, *, seconds: float, clock: Callable[[], float] = time.monotonic
) -> dict[str, Any]:
    """Switch on and read "on"; return what was seen. Raises SessionError when that was not read in `seconds`."""
    answer = _with_retry(open_session, Task.POWER_ON, clock() + seconds, clock)
    if answer["state"] != "on":
        raise SessionError("confirm", "unconfirmed", 'the BMC did not say "on"')
    return answer


def _with_retry(open_session: OpenSession, task: Task, deadline: float, clock: Callable[[], float]) -> dict[str, Any]:
    """Open a session with half of the time left, and once more with the rest if that one had to be killed."""
    try:
        return open_session(task, max(MIN_SESSION_SECONDS, (deadline - clock()) / 2))
    except SessionError as error:
        left = deadline - clock()
        if error.kind != "killed" or left < MIN_SESSION_SECONDS:
            raise
        return open_session(task, left)


def main() -> int:
    """Run the operation that standard input names; return the process's exit code."""
    # The libraries print: the results go to a copy of standard output, and everything else nowhere.
    results = os.dup(sys.stdout.fileno())
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stdout.fileno())
    os.dup2(silence, sys.stderr.fileno())

    def tell(line: dict[str, Any]) -> None:
        os.write(results, json.dumps(line).encode() + b"\n")

    request = Request.from_json(sys.stdin.buffer.read(MAX_REQUEST_BYTES))
    # Should the parent die, nobody else would end us; the parent's own deadline comes first.
    signal.setitimer(signal.ITIMER_REAL, request.seconds + 1)

    began = time.monotonic()
    connect = _protocol(request.protocol)
    seconds = max(MIN_SESSION_SECONDS, request.seconds - (time.monotonic() - began))  # Without what importing took.

    def open_session(task: Task, seconds: float) -> dict[str, Any]:
        return run_session(connect, request.login, task, seconds, report_stage=lambda stage: tell({"stage": stage}))

    try:
        if request.operation == "fence":
            tell({"answer": prove_off(open_session, interval=request.interval, seconds=seconds)})
        elif request.operation == "power-on":
            tell({"answer": switch_on(open_session, seconds=seconds)})
        else:
            assert request.operation == "power-state", "the parent asks for fence, power-on or power-state"
            tell({"answer": open_session(Task.READ, seconds)})
    except SessionError as error:
        tell({"error": {"stage": error.stage, "kind": error.kind, "text": error.text}})
    return 0


def _protocol(name: str) -> Connect:
    """Import what speaks the protocol, and not what speaks the other: that takes a third of a second."""
    if name == "redfish":
        from remediation.fencing.redfish_bmc import RedfishBmc

        return RedfishBmc
    from remediation.fencing.ipmi_bmc import IpmiBmc

    return IpmiBmc


if __name__ == "__main__":
    sys.exit(main())
