"""A BMC for tests, in a process of its own: pyghmi's server over UDP on loopback, with faults.

Usage: simulated_bmc.py PORT JSON, with the fields: power ("on"), lies (how many readings say "off" after a power-off
was asked for, while the host stays on), stubborn (how many power-offs have no effect), slow_off (seconds that a
power-off takes), freeze ("login" or "status": the process stops itself at that point), refuses (the completion code of
a power-off, which then has no effect), guid_command (which command tells the GUID, 0x37 or 0x08; 0: none). Tells in a
line each thing that happens: "ready", "login", "power-off", "power-on", "read on", "read off".
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
    def configure(self, power="on", lies=0, stubborn=0, slow_off=0.0, freeze="", refuses=0, guid_command=0x37):
        self.power, self.lies, self.stubborn, self.slow_off = power, lies, stubborn, slow_off
        self.freeze, self.refuses = freeze, refuses
        self.guid_command = guid_command
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

    def power_on(self):
        tell("power-on")
        self.power, self.off_at = "on", None
        return 0

    def handle_raw_request(self, request, session):
        if request["netfn"] == 6 and request["command"] in (0x37, 0x08):
            if request["command"] == self.guid_command:
                session.send_ipmi_response(data=uuid.UUID(int=1).bytes_le)
            else:
                session.send_ipmi_response(code=0xC1)
            return
        super().handle_raw_request(request, session)


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
