"""Real BMC servers that nobody here wrote, each a process with one host that it can switch: ipmi_sim, sushy-emulator.

Both live in the network namespace of who starts them, on a port of their own on loopback. What a server was asked to
do is read from what it did, never from the driver under test.
"""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import bcrypt

from remediation.fencing.driver import FenceTarget
from remediation.fencing.secret import Secret
from tests.support.bmc_path import LyingRelay
from tests.support.certificates import issue

USER, PASSWORD = "admin", "tango-1-secret"
GUID = "4c4c4544-0042-3510-8052-b4c04f564433"
START_SECONDS = 30.0  # sushy-emulator imports for 2 s on a quiet machine.
# RMCP and ASF (DSP0136): a presence ping, which any BMC answers without a session.
PRESENCE_PING = bytes.fromhex("0600ff06 000011be 80010000".replace(" ", ""))


class BmcServer(Protocol):
    """What the contract suite needs of a BMC."""

    driver: str
    port: int
    guid: str

    def target(self, host: str = "cmp-1", **changes: object) -> FenceTarget:
        """Return the inventory entry of its host; `changes` replace fields, None removes one."""

    def power_offs(self) -> int:
        """Return how many power-offs it was asked for."""

    def end(self) -> None:
        """Kill it."""


def free_port(kind: socket.SocketKind) -> int:
    """Return a port of loopback that is free now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def entry(driver: str, port: int, directory: Path, changes: dict[str, object], **more: object) -> FenceTarget:
    """Return a target with the fields that all servers share."""
    options: dict[str, Any] = {
        "address": "127.0.0.1",
        "port": port,
        "user": USER,
        "password": Secret(PASSWORD),
        "confirm_interval": 0.3,
        **more,
        **changes,
    }
    host = options.pop("host", "cmp-1")
    options = {field: value for field, value in options.items() if value is not None}
    return FenceTarget(host=host, driver=driver, options=options, file=str(directory / "bmc.yaml"))


class IpmiSim:
    """Debian's ipmi_sim (package openipmi). Its chassis is a shell script of ours that keeps the power in a file.

    lies: so many readings say "off" after a power-off that has no effect.
    """

    driver = "ipmi"
    guid = GUID

    def __init__(self, directory: Path, *, power: str = "on", lies: int = 0) -> None:
        program = shutil.which("ipmi_sim")
        assert program is not None, "ipmi_sim is missing (Debian package openipmi)"
        self.directory = directory
        self.port = free_port(socket.SOCK_DGRAM)
        self._write(power, lies)
        (directory / "state").mkdir()
        arguments = ["-n", "-c", f"{directory}/lan.conf", "-f", f"{directory}/sim.emu", "-s", f"{directory}/state"]
        with (directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            _wait_until(self._answers, self._process, directory / "log")
        except BaseException:
            self.end()
            raise

    def _write(self, power: str, lies: int) -> None:
        chassis = self.directory / "chassis"
        chassis.write_text(CHASSIS.format(directory=self.directory))
        chassis.chmod(0o700)
        (self.directory / "power").write_text("1" if power == "on" else "0")
        (self.directory / "lies").write_text(str(lies))
        (self.directory / "calls").write_text("")
        # As SMBIOS stores it, which is what IPMI's firmware writers mostly send.
        wire = b"".join(bytes.fromhex(part)[::-1] for part in GUID.split("-")[:3]).hex() + GUID.replace("-", "")[16:]
        (self.directory / "lan.conf").write_text(
            LAN.format(directory=self.directory, port=self.port, user=USER, password=PASSWORD, guid=wire)
        )
        (self.directory / "sim.emu").write_text(EMULATION)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.2)
            client.connect(("127.0.0.1", self.port))
            try:
                client.send(PRESENCE_PING)
                return bool(client.recv(100))
            except OSError:
                return False

    def target(self, **changes: object) -> FenceTarget:
        return entry("ipmi", self.port, self.directory, changes)

    def power_offs(self) -> int:
        return (self.directory / "calls").read_text().splitlines().count("set power 0")

    def end(self) -> None:
        _kill(self._process)


LAN = """\
name "simulated"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid {guid}
  endlan
  chassis_control "{directory}/chassis"
  user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
"""

EMULATION = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
mc_enable 0x20
"""

# Called with "get power" or "set power 0|1". While a power-off is a lie, the next readings count down and say "off".
CHASSIS = """\
#!/bin/sh
set -eu
cd {directory}
echo "$@" >>calls
case "$*" in
    "get power")
        lying=$(cat lying 2>/dev/null || echo 0)
        if [ "$lying" -gt 0 ]; then
            echo $((lying - 1)) >lying
            echo power:0
        else
            echo "power:$(cat power)"
        fi
        ;;
    "set power 0")
        lies=$(cat lies)
        if [ "$lies" -gt 0 ]; then
            echo "$lies" >lying
            echo 0 >lies
        else
            echo 0 >power
        fi
        ;;
    "set power 1") echo 1 >power ;;
esac
"""


class SushyEmulator:
    """OpenStack's sushy-emulator with its fake driver, over HTTPS with basic authentication.

    Its host is off 0 to 11 s after it was told to, drawn anew each time. It cannot lie, so that a relay does it.
    """

    driver = "redfish"
    guid = GUID

    def __init__(self, directory: Path, *, power: str = "on", lies: int = 0) -> None:
        assert lies in (0, 1), "the relay lies once"
        self.directory = directory
        self._relay: LyingRelay | None = None
        self.port = free_port(socket.SOCK_STREAM)
        key, certificate = issue("127.0.0.1")
        (directory / "bmc.key").write_bytes(key)
        (directory / "bmc.pem").write_bytes(certificate)
        # 4 rounds: bcrypt is made to be slow, and this is a test.
        password = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (directory / "users").write_text(f"{USER}:{password}\n")
        systems = [{"uuid": GUID, "name": "cmp-1", "power_state": power.capitalize(), "nics": []}]
        settings = {
            "SUSHY_EMULATOR_AUTH_FILE": f"{directory}/users",
            "SUSHY_EMULATOR_STATE_DIR": str(directory),
            "SUSHY_EMULATOR_FAKE_SYSTEMS": systems,
        }
        (directory / "config.py").write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
        program = str(Path(sys.executable).with_name("sushy-emulator"))
        arguments = ["--fake", "--config", f"{directory}/config.py", "-i", "127.0.0.1", "-p", str(self.port)]
        certified = ["--ssl-certificate", f"{directory}/bmc.pem", "--ssl-key", f"{directory}/bmc.key"]
        self._log = directory / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, *arguments, *certified],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            _wait_until(self._answers, self._process, self._log)
        except BaseException:
            self.end()
            raise
        if lies:
            self._relay = LyingRelay(self.port, directory)
            self.port = self._relay.port

    def _answers(self) -> bool:
        context = ssl.create_default_context(cafile=f"{self.directory}/bmc.pem")
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as stream,
            ):
                return stream.version() is not None
        except OSError:
            return False

    def target(self, **changes: object) -> FenceTarget:
        return entry("redfish", self.port, self.directory, changes, ca_file="bmc.pem")

    def power_offs(self) -> int:
        # Each request is a line of werkzeug's log.
        return self._log.read_text().count("ComputerSystem.Reset HTTP/1.1")

    def end(self) -> None:
        if self._relay is not None:
            self._relay.close()
        _kill(self._process)


def _wait_until(answers: Any, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        ended = process.poll() is not None
        assert not ended and time.monotonic() < deadline, f"the server does not answer: {log.read_text()[-2000:]}"
        time.sleep(0.05)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
