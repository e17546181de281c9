"""A BMC for tests, in a process of its own: pyghmi's server over UDP on loopback, with faults.

Usage: simulated_bmc.py PORT JSON, with the fields: power ("on"), lies (how many readings say "off" after a power-off
was asked for, while the host stays on), stubborn (how many power-offs have no effect), slow_off (seconds that a
power-off takes), freeze ("login" or "status": the process stops itself at that point), refuses (the completion code of
a power-off, which then has no effect). Tells in a line each thing that happens: "ready", "login", "power-off",
"read on", "read off".
"""

import json
import os
import signal
import sys
import time
import uuid

from pyghmi.ipmi.bmc import Bmc
from pyghmi.ipmi.private import serversession, session

USER, PASSWORD = "admin", "tango-1-secret"


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class SimulatedBmc(Bmc):
    def configure(self, power="on", lies=0, stubborn=0, slow_off=0.0, freeze="", refuses=0):
        self.power, self.lies, self.stubborn, self.slow_off = power, lies, stubborn, slow_off
        self.freeze, self.refuses = freeze, refuses
        self.off_at = None
        self.lying = 0

    def get_power_state(self):
        if self.freeze == "status":
            os.kill(os.getpid(), signal.SIGSTOP)
        if self.off_at is not None and time.monotonic() >= self.off_at:
            self.power = "off"
        shown = self.power
        if self.lying:
            self.lying -= 1
            shown = "off"
        tell(f"read {shown}")
        return shown

    def power_off(self):
        tell("power-off")
        if self.refuses:
            return self.refuses
        if self.lies:
            self.lying, self.lies = self.lies, 0
        elif self.stubborn:
            self.stubborn -= 1
        else:
            self.off_at = time.monotonic() + self.slow_off
        return 0

    def get_system_guid(self):
        return uuid.UUID(int=1)


def accept_only_sha1(bmc):
    """pyghmi's server answers SHA1 whatever was asked: refuse SHA256, so that pyghmi's client falls back."""
    answer = serversession.ServerSession.create_open_session_response

    def create_open_session_response(self, request):
        if bmc.freeze == "login":
            os.kill(os.getpid(), signal.SIGSTOP)
        tell("login")
        if len(request) > 12 and request[12] != 1:
            self.clientsessionid = request[4:8]
            return bytearray([request[0], 4, 0, 0]) + bytearray(request[4:8])
        return answer(self, request)

    serversession.ServerSession.create_open_session_response = create_open_session_response


def look_often():
    """The server has the same race as the client (see remediation.fencing.bmc_session)."""
    wait = session._io_wait
    session._io_wait = lambda timeout, *arguments: wait(min(timeout, 0.01), *arguments)


if __name__ == "__main__":
    bmc = SimulatedBmc({USER: PASSWORD}, port=int(sys.argv[1]), address="127.0.0.1")
    bmc.configure(**json.loads(sys.argv[2]))
    accept_only_sha1(bmc)
    look_often()
    tell("ready")
    bmc.listen()
