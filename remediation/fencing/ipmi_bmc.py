"""A BMC as pyghmi sees it: the verbs of IPMI 2.0 over LAN for one session (see `bmc_session`)."""

import contextlib
import socket
from collections.abc import Mapping
from typing import Any, Final

from pyghmi.ipmi import command
from pyghmi.ipmi.private import session as pyghmi_session

from remediation.fencing import guid as guids
from remediation.fencing.bmc_session import BmcLogin, SessionError, Task

MAX_WAIT_SECONDS: Final = 0.02  # See _bound_waits.
_NETFN_CHASSIS: Final = 0x00  # IPMI 2.0, table 5-1.
_NETFN_APPLICATION: Final = 0x06
_GET_SYSTEM_GUID: Final = 0x37  # IPMI 2.0, section 22.14: of the computer.
_GET_DEVICE_GUID: Final = 0x08  # IPMI 2.0, section 20.8: of the BMC, which also stays the same.
_CHASSIS_CONTROL: Final = 0x02  # IPMI 2.0, section 28.3.
_POWER: Final = {Task.POWER_OFF: 0x00, Task.POWER_ON: 0x01}
_COMPLETED: Final = 0x00  # IPMI 2.0, table 5-2, as the next.
_NOT_IN_THIS_STATE: Final = 0xD5
_NO_ANSWER: Final = 0xFFFF  # pyghmi's own.


class IpmiBmc:
    """One session."""

    def __init__(self, login: BmcLogin) -> None:
        self._login = login
        self._command: Any = None

    def resolve(self) -> None:
        """Turn the name of the BMC into an address; pyghmi will do it again."""
        socket.getaddrinfo(self._login.address, self._login.port, 0, socket.SOCK_DGRAM)

    def log_in(self) -> None:
        """Open an RMCP+ session."""
        _bound_waits()
        login = self._login
        self._command = command.Command(login.address, login.user, login.password, port=login.port)

    def guid(self) -> str:
        """Return the system's GUID, or the BMC's own if it does not know the system's."""
        for which in (_GET_SYSTEM_GUID, _GET_DEVICE_GUID):
            response = self._command.raw_command(netfn=_NETFN_APPLICATION, command=which)
            if int(response.get("code", _COMPLETED)) == _NO_ANSWER:
                raise SessionError("", "IpmiException", "timeout")
            guid = "" if "error" in response else guids.from_wire(bytes(response.get("data", b"")))
            if guid:
                return guid
        return ""

    def power(self) -> str:
        """Return "on" or "off"."""
        return str(self._command.get_power()["powerstate"])

    def switch(self, task: Task, was: str) -> str:
        """Send the chassis control; pyghmi's own `set_power` would send nothing to a host that seems so already."""
        response = self._command.raw_command(netfn=_NETFN_CHASSIS, command=_CHASSIS_CONTROL, data=[_POWER[task]])
        refused = refusal(response, is_so_already=was == ("off" if task is Task.POWER_OFF else "on"))
        if refused:
            raise SessionError("", "IpmiException", refused)
        return f"{int(response.get('code', _COMPLETED)):02x}h"

    def log_out(self) -> None:
        """Free the BMC's session slot."""
        with contextlib.suppress(AttributeError):  # Never logged in.
            self._command.ipmi_session.logout()


def refusal(response: Mapping[str, Any], *, is_so_already: bool) -> str:
    """Return why a power command is not known to be carried out, or "" when it is, or was not needed.

    A host that is off answers a power-down with 00h, or d5h (not supported in the present state). Any other code, of a
    busy BMC or one that lets us read only, leaves a BMC that shows an old "off" uncontradicted: that is no evidence.
    """
    code = int(response.get("code", _COMPLETED))
    if code == _NOT_IN_THIS_STATE and is_so_already:
        return ""
    if code == _COMPLETED and "error" not in response:
        return ""
    return f"{response.get('error', 'the power command failed')} (completion code {code:02x}h)"


def _bound_waits() -> None:
    """Let pyghmi look for packets again after at most MAX_WAIT_SECONDS.

    An answer that arrives before the asking thread has begun to wait (0.1 ms, a near BMC) is put in a queue that pyghmi
    1.6 looks at only when it sends the request once more, 0.5 to 1 s later. All its callers loop, so that a shorter
    wait changes nothing else.
    """
    wait = pyghmi_session._io_wait

    def bounded_wait(timeout: float, *arguments: Any) -> None:
        wait(min(timeout, MAX_WAIT_SECONDS), *arguments)

    pyghmi_session._io_wait = bounded_wait
