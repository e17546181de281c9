"""The IPMI driver: IPMI 2.0 over LAN through pyghmi, each operation in a process of its own (`bmc_process`)."""

import datetime
from collections.abc import Callable, Mapping
from typing import Final

from remediation.fencing import bmc_fields as fields
from remediation.fencing.bmc_process import BmcProcess, RunChild
from remediation.fencing.driver import FenceTarget, PowerState
from remediation.fencing.evidence import Evidence
from remediation.fencing.pyghmi_errors import explain

DEFAULT_PORT: Final = 623  # IANA: asf-rmcp.
MAX_USER_BYTES: Final = 16  # IPMI 2.0, section 22.29.
MAX_PASSWORD_BYTES: Final = 20  # IPMI 2.0, section 22.30.

_PROPERTIES: Final = {
    "address": "required: IP address or name of the BMC",
    "port": f"UDP port of the BMC; default {DEFAULT_PORT}",
    "user": f"required: user with the privilege OPERATOR, at most {MAX_USER_BYTES} bytes",
    "password": f"the user's password, at most {MAX_PASSWORD_BYTES} bytes; this or password_file is required",
    "password_file": fields.PASSWORD_FILE,
    "guid": fields.GUID,
    "confirm_interval": fields.INTERVAL,
}


class IpmiDriver:
    """Fences hosts through their BMC. Keeps no state; may be used from several threads."""

    name = "ipmi"

    def __init__(
        self,
        wall_clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
        *,
        run_child: RunChild | None = None,
    ) -> None:
        """run_child: another than a real process lets a simulated world answer for its BMCs."""
        self._bmc = BmcProcess(self.name, explain, wall_clock, run_child)

    def get_properties(self) -> Mapping[str, str]:
        """Return the fields of an inventory entry and what they mean."""
        return _PROPERTIES

    def validate(self, target: FenceTarget) -> None:
        """Raise InventoryError unless the fields are there and can be right. Talks to nobody."""
        fields.check(
            target, _PROPERTIES, port=DEFAULT_PORT, user_bytes=MAX_USER_BYTES, password_bytes=MAX_PASSWORD_BYTES
        )

    def device(self, target: FenceTarget) -> str:
        """Return address and port of the BMC."""
        return fields.device(target, port=DEFAULT_PORT)

    def power_state(self, target: FenceTarget, deadline_seconds: float) -> PowerState:
        """Return one reading of the BMC. Raises BmcError within the deadline, as the others do."""
        self.validate(target)
        return self._bmc.power_state(target, fields.request(target, port=DEFAULT_PORT), deadline_seconds)

    def read_guid(self, target: FenceTarget, deadline_seconds: float) -> str:
        """Return the system's GUID, or the BMC's own if it does not know the system's."""
        self.validate(target)
        return self._bmc.read_guid(target, fields.request(target, port=DEFAULT_PORT), deadline_seconds)

    def fence(self, target: FenceTarget, deadline_seconds: float) -> Evidence:
        """Switch off, read "off" in two sessions, return that as evidence."""
        self.validate(target)
        return self._bmc.fence(target, fields.request(target, port=DEFAULT_PORT), deadline_seconds)

    def power_on(self, target: FenceTarget, deadline_seconds: float) -> None:
        """Switch on and read "on"."""
        self.validate(target)
        self._bmc.power_on(target, fields.request(target, port=DEFAULT_PORT), deadline_seconds)
