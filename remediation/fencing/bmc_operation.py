"""One operation on one BMC, in a process of its own: `python -m remediation.fencing.bmc_operation`.

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

from remediation.fencing.bmc_session import BmcLogin, SessionError, Task, run_session

MAX_REQUEST_BYTES: Final = 65536
MAX_ROUNDS: Final = 5  # Power-off and two readings; more contradictions than that are a BMC not to be believed.
MIN_SESSION_SECONDS: Final = 0.2  # A session needs 10 ms on loopback, 100 ms and more on a real BMC.

OpenSession = Callable[[Task, float], dict[str, Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What standard input says: what to do, with which BMC, within how many seconds."""

    operation: str
    login: BmcLogin
    interval: float
    seconds: float

    @classmethod
    def from_json(cls, text: bytes) -> "Request":
        """Raises ValueError, KeyError or TypeError when the parent wrote nonsense: our own fault."""
        fields = json.loads(text)
        login = BmcLogin(fields["address"], int(fields["port"]), fields["user"], fields["password"])
        return cls(fields["operation"], login, float(fields["interval"]), float(fields["seconds"]))


def prove_off(
    open_session: OpenSession,
    *,
    interval: float,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Switch off and read "off" in two sessions `interval` apart; return what was seen.

    A reading that says "on" starts over. Raises SessionError when a session failed, or at stage "confirm" when the BMC
    still contradicted itself after MAX_ROUNDS or when `seconds` were used up.
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
        if second["state"] == "off":
            return {"state": "off", "was": was, "rounds": round_number, "interval": interval, "code": first["code"]}
        was = "on"  # The first reading was a lie.
    raise SessionError("confirm", "unconfirmed", 'the BMC did not say "off" twice in a row')


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
    # pyghmi prints: the results go to a copy of standard output, and everything else nowhere.
    results = os.dup(sys.stdout.fileno())
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stdout.fileno())
    os.dup2(silence, sys.stderr.fileno())

    def tell(line: dict[str, Any]) -> None:
        os.write(results, json.dumps(line).encode() + b"\n")

    request = Request.from_json(sys.stdin.buffer.read(MAX_REQUEST_BYTES))
    # Should the parent die, nobody else would end us; the parent's own deadline comes first.
    signal.setitimer(signal.ITIMER_REAL, request.seconds + 1)

    def open_session(task: Task, seconds: float) -> dict[str, Any]:
        return run_session(request.login, task, seconds, report_stage=lambda stage: tell({"stage": stage}))

    try:
        if request.operation == "fence":
            tell({"answer": prove_off(open_session, interval=request.interval, seconds=request.seconds)})
        else:
            assert request.operation == "power-state", "the parent asks for fence or power-state"
            tell({"answer": open_session(Task.READ, request.seconds)})
    except SessionError as error:
        tell({"error": {"stage": error.stage, "kind": error.kind, "text": error.text}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
