"""The client of the chassis: switches hosts on and off, hangs them, and reads their journals.

Functions raise `control_socket.CommandError` when the chassis is not there or refuses.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minicloud import layout, units
from minicloud.control_socket import CommandError, call

# Longer than a power cut may take (chassis.OFF_TIMEOUT).
CALL_TIMEOUT = 15.0
# From power on until init answers takes about 0.1 s on an idle machine.
BOOT_TIMEOUT = 30.0
POLL_INTERVAL = 0.01


@dataclass(frozen=True, slots=True)
class ChassisStatus:
    """What the chassis says."""

    is_on: bool
    is_frozen: bool
    bmc_is_on: bool
    watchdog_is_open: bool
    watchdog_timeout: int
    """Seconds."""
    watchdog_left: float | None
    """Seconds until it fires; None while it is not armed."""


def power_on(host: str, *, by: str = "test", cloud: layout.Layout | None = None) -> None:
    """Switch the host on, if it is off, and return when its init takes commands."""
    _call(host, cloud, "power-on", by=by)
    deadline = time.monotonic() + BOOT_TIMEOUT
    while True:
        try:
            units.list_units(host, cloud=cloud)
        except CommandError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_INTERVAL)
        else:
            return


def power_off(host: str, *, by: str = "test", cloud: layout.Layout | None = None) -> None:
    """Cut the host's power and return when nothing of it runs; its BMC goes on."""
    _call(host, cloud, "power-off", by=by)


def mains_off(host: str, *, by: str = "test", cloud: layout.Layout | None = None) -> None:
    """Cut the power of the host and its BMC."""
    _call(host, cloud, "mains-off", by=by)


def shut_down(host: str, *, by: str = "test", cloud: layout.Layout | None = None) -> None:
    """Press the power button; the host ends its units, then itself. Does not wait for that."""
    _call(host, cloud, "shutdown", by=by)


def freeze(host: str, *, by: str = "test", cloud: layout.Layout | None = None) -> None:
    """Stop the host where it is, as a hang does: nothing runs, nothing is lost."""
    _call(host, cloud, "freeze", by=by)


def thaw(host: str, *, by: str = "test", cloud: layout.Layout | None = None) -> None:
    """Let a frozen host go on."""
    _call(host, cloud, "thaw", by=by)


def bmc_on(host: str, *, cloud: layout.Layout | None = None) -> None:
    """Start the BMC, if it is dead."""
    _call(host, cloud, "bmc-on")


def bmc_off(host: str, *, cloud: layout.Layout | None = None) -> None:
    """Let the BMC fall silent; the host goes on."""
    _call(host, cloud, "bmc-off")


def let_watchdog_reset(host: str, resets: bool, *, cloud: layout.Layout | None = None) -> None:
    """Choose what a fired watchdog does: switch the host off (the default), or off and on again."""
    _call(host, cloud, "watchdog-resets", value=resets)


def status(host: str, *, cloud: layout.Layout | None = None) -> ChassisStatus:
    """Return what the chassis says."""
    answer = _call(host, cloud, "status")
    watchdog = answer["watchdog"]
    return ChassisStatus(
        is_on=answer["power"] == "on",
        is_frozen=answer["frozen"],
        bmc_is_on=answer["bmc"] == "on",
        watchdog_is_open=watchdog["open"],
        watchdog_timeout=watchdog["timeout"],
        watchdog_left=watchdog["left"],
    )


def events(host: str, *, cloud: layout.Layout | None = None) -> tuple[Mapping[str, Any], ...]:
    """Return the host's journal, oldest first: {wall, monotonic, event, by, ...}."""
    path = (cloud or layout.current()).host(host).events
    if not path.exists():
        return ()
    return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def _call(host: str, cloud: layout.Layout | None, command: str, **arguments: object) -> dict[str, Any]:
    socket = (cloud or layout.current()).host(host).chassis_socket
    return call(socket, {"command": command, **arguments}, timeout=CALL_TIMEOUT)
