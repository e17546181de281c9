"""A Redfish BMC for tests, in a process of its own: HTTPS on loopback, with faults.

Usage: simulated_redfish.py PORT CERTIFICATE KEY JSON, with the fields: power ("on"), lies, stubborn, slow_off, freeze
("login" or "status"), refuses (the HTTP status of a power-off, which then has no effect) as in simulated_bmc.py, and:
message (the MessageId of such a refusal), systems (their ids, ["1"]; the first is the host), guid, has_basic (True: or
only sessions), says_power (True).
Tells in a line each thing that happens: "ready", "login", "power-off", "power-on", "read on", "read off", "session
opened", "session closed".
"""

import base64
import http.server
import json
import os
import signal
import ssl
import sys
import time

USER, PASSWORD = "admin", "tango-1-secret"
ROOT = "/redfish/v1"
GUID = "30313233-3435-3637-3839-414243444546"


def tell(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Machine:
    """What the BMC switches, and the BMC's own memory."""

    def __init__(
        self,
        power="on",
        lies=0,
        stubborn=0,
        slow_off=0.0,
        freeze="",
        refuses=0,
        message="Base.1.8.GeneralError",
        systems=("1",),
        guid=GUID,
        has_basic=True,
        says_power=True,
    ):
        self.power, self.lies, self.stubborn, self.slow_off = power, lies, stubborn, slow_off
        self.freeze, self.refuses, self.message = freeze, refuses, message
        self.systems, self.guid, self.has_basic, self.says_power = systems, guid, has_basic, says_power
        self.off_at = None
        self.lying = 0
        self.sessions = set()

    def shown(self):
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

    def press(self, button):
        tell("power-on" if button == "On" else "power-off")
        if self.refuses:
            return self.refuses
        if button == "On":
            self.power, self.off_at = "on", None
        elif self.lies:
            self.lying, self.lies = self.lies, 0
        elif self.stubborn:
            self.stubborn -= 1
        else:
            self.off_at = time.monotonic() + self.slow_off
        return 204


class Service(http.server.BaseHTTPRequestHandler):
    machine: Machine

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=None, **headers):
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, status, message="Base.1.8.GeneralError"):
        self.answer(status, {"error": {"code": message, "@Message.ExtendedInfo": [{"MessageId": message}]}})

    def is_allowed(self):
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        given = self.headers.get("Authorization", "")
        is_known = (self.machine.has_basic and given == basic) or self.headers.get(
            "X-Auth-Token"
        ) in self.machine.sessions
        if not is_known:
            self.refuse(401, "Base.1.8.NoValidSession")
        return is_known

    def do_GET(self):
        if self.path.rstrip("/") == ROOT:
            if self.machine.freeze == "login":
                os.kill(os.getpid(), signal.SIGSTOP)
            sessions = {"Sessions": {"@odata.id": f"{ROOT}/SessionService/Sessions"}}
            self.answer(
                200,
                {
                    "@odata.id": ROOT,
                    "Id": "RootService",
                    "Name": "Root",
                    "RedfishVersion": "1.6.0",
                    "Systems": {"@odata.id": f"{ROOT}/Systems"},
                    "Links": sessions,
                },
            )
        elif not self.is_allowed():
            pass
        elif self.path == f"{ROOT}/Systems":
            tell("login")
            members = [{"@odata.id": f"{ROOT}/Systems/{one}"} for one in self.machine.systems]
            self.answer(200, {"@odata.id": self.path, "Name": "Systems", "Members": members})
        elif self.path.startswith(f"{ROOT}/Systems/"):
            self.answer(200, self.system(self.path.rsplit("/", 1)[1]))
        else:
            self.refuse(404)

    def system(self, one):
        is_host = one == self.machine.systems[0]
        body = {
            "@odata.id": self.path,
            "Id": one,
            "Name": one,
            "UUID": self.machine.guid if is_host else f"ffffffff-0000-0000-0000-00000000000{one}",
            "Actions": {
                "#ComputerSystem.Reset": {
                    "target": f"{self.path}/Actions/ComputerSystem.Reset",
                    "ResetType@Redfish.AllowableValues": ["On", "ForceOff"],
                }
            },
        }
        if self.machine.says_power:
            body["PowerState"] = self.machine.shown().capitalize() if is_host else "On"
        return body

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if self.path == f"{ROOT}/SessionService/Sessions":
            if (body["UserName"], body["Password"]) != (USER, PASSWORD):
                self.refuse(401, "Base.1.8.ResourceAtUriUnauthorized")
                return
            tell("session opened")
            token = f"token-{len(self.machine.sessions)}"
            self.machine.sessions.add(token)
            location = f"{ROOT}/SessionService/Sessions/{token}"
            self.answer(201, {"Id": token}, X_Auth_Token=token, Location=location)
        elif self.is_allowed():
            assert self.path == f"{ROOT}/Systems/{self.machine.systems[0]}/Actions/ComputerSystem.Reset", self.path
            status = self.machine.press(body["ResetType"])
            if status < 400:
                self.answer(status)
            else:
                self.refuse(status, self.machine.message)

    def do_DELETE(self):
        if self.is_allowed():
            tell("session closed")
            self.machine.sessions.discard(self.path.rsplit("/", 1)[1])
            self.answer(204)


if __name__ == "__main__":
    Service.machine = Machine(**json.loads(sys.argv[4]))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    tell("ready")
    server.serve_forever()
