"""The BMCs, behind the production IPMI driver: only its child process is replaced, by a session in virtual time.

`prove_off`, its two readings and its deadlines are the production code. A BMC hangs on its host's feed: without it
there is no answer, which looks like a lost BMC network. It may be slow, refuse the password, or show for one reading
what is not so. What it was told to do happens whether or not anybody still listens.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from remediation.fencing.bmc_operation import prove_off
from remediation.fencing.bmc_session import POLL_SECONDS, SessionError, Task
from remediation.fencing.driver import FenceTarget
from remediation.fencing.inventory import Inventory
from remediation.fencing.secret import Secret
from tests.simulation.world.facts import Fact, FencedOff
from tests.simulation.world.kernel import Kernel
from tests.simulation.world.machine import Machine
from tests.simulation.world.process import Process

SILENCE: Final = (4.0, 6.0)  # Seconds until pyghmi gives up on a BMC that does not answer (reference: test hosts).
SESSION: Final = (0.05, 0.3)  # Seconds to log in and ask.
SWITCH_OFF: Final = (0.2, 1.5)  # Seconds until a power-down has taken effect.


class Bmc:
    """One host's BMC."""

    def __init__(self, machine: Machine, kernel: Kernel, tell: Callable[[Fact], None]) -> None:
        self._machine = machine
        self._kernel = kernel
        self._tell = tell
        self._rng = kernel.stream(f"bmc/{machine.name}")
        self.unreachable_for: set[str] = set()
        self.refuses_password_for: set[str] = set()
        self.slow_for: set[str] = set()
        self.lies = 0  # Readings that will say "off" whatever is so.

    def session(self, process: Process, task: Task, seconds: float, by: str) -> dict[str, Any]:
        """Log in, do the task, return what was seen, as `bmc_session.run_session`."""
        if not self._machine.has_feed or self.unreachable_for:
            silence = self._rng.uniform(*SILENCE)
            process.sleep(min(seconds, silence))
            if seconds < silence:
                raise SessionError("login", "killed", f"session ended after {seconds:.1f} s")
            raise SessionError("login", "IpmiException", "None")
        if self.refuses_password_for:
            process.sleep(0.01)
            raise SessionError("login", "IpmiException", "Incorrect password provided")
        needed = self._rng.uniform(*SESSION) * (12.0 if self.slow_for else 1.0)
        process.sleep(min(seconds, needed))
        if seconds < needed:
            raise SessionError("read", "killed", f"session ended after {seconds:.1f} s")
        deadline = process.clock() + seconds - needed
        was = self._reading()
        answer: dict[str, Any] = {"was": was, "state": was}
        if task is Task.POWER_OFF:
            answer["code"] = 0
            self._kernel.after(self._rng.uniform(*SWITCH_OFF), self._switch_off, by, self._machine.life)
            answer["state"] = self._reading()
            while answer["state"] != "off" and process.clock() + 2 * POLL_SECONDS < deadline:
                process.sleep(POLL_SECONDS)
                answer["state"] = self._reading()
        return answer

    def _reading(self) -> str:
        if self.lies > 0:
            self.lies -= 1
            return "off"
        return "on" if self._machine.is_powered else "off"

    def _switch_off(self, by: str, life: int) -> None:
        if self._machine.has_feed and self._machine.is_powered and self._machine.life == life:
            self._tell(FencedOff(self._machine.name, by))
            self._machine.power_off(f"the BMC was told to by {by}")


def child_of(bmcs: dict[str, Bmc], process: Process, by: str) -> Any:
    """Return what `IpmiDriver` takes for its child process."""

    def run_child(request: bytes, seconds: float, host: str) -> list[dict[str, Any]]:
        asked = json.loads(request)
        bmc = bmcs[asked["address"]]
        try:
            if asked["operation"] == "fence":
                answer = prove_off(
                    lambda task, limit: bmc.session(process, task, limit, by),
                    interval=asked["interval"],
                    seconds=seconds,
                    clock=process.clock,
                    sleep=process.sleep,
                )
            else:
                answer = bmc.session(process, Task.READ, seconds, by)
        except SessionError as error:
            return [{"error": {"stage": error.stage, "kind": error.kind, "text": error.text}}]
        return [{"answer": answer}]

    return run_child


def inventory_of(hosts: dict[str, str]) -> Inventory:
    """Return an inventory: host -> name of its BMC."""
    targets = {
        host: (FenceTarget(host, "ipmi", {"address": address, "user": "fence", "password": Secret("simulated")}),)
        for host, address in hosts.items()
    }
    return Inventory("inventory.yaml", targets)
