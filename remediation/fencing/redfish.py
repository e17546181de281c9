"""The Redfish driver: HTTPS through sushy, each operation in a process of its own (`bmc_process`).

The BMC's certificate is checked unless the inventory says `certificate: unchecked`; that is logged at every operation
and is part of the evidence. Authentication is basic unless told otherwise: a session that is killed at its deadline
would occupy one of the few that a BMC has, for half an hour.
"""

import datetime
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from oslo_log import log

from remediation.fencing import bmc_fields as fields
from remediation.fencing.bmc_process import BmcProcess, RunChild
from remediation.fencing.driver import FenceTarget, PowerState
from remediation.fencing.evidence import Evidence
from remediation.fencing.guid import UNCHECKED
from remediation.fencing.redfish_errors import explain

LOG = log.getLogger(__name__)

DEFAULT_PORT: Final = 443
MAX_USER_BYTES: Final = 128  # Far above what BMCs take (16 to 40); it bounds what we send.
MAX_PASSWORD_BYTES: Final = 256
MAX_SYSTEM_LENGTH: Final = 128
VERIFIED: Final = "verified"

_PROPERTIES: Final = {
    "address": "required: IP address or name of the BMC, as its certificate has it",
    "port": f"TCP port of the BMC; default {DEFAULT_PORT}",
    "user": "required: user with the role Operator",
    "password": "the user's password; this or password_file is required",
    "password_file": fields.PASSWORD_FILE,
    "system": "id (the last part of its path) or UUID of the system; needed when the BMC has more than one",
    "ca_file": "PEM file with the certificates of who signed the BMC's, or with the BMC's own; relative to the "
    "inventory; default: the well-known ones",
    "certificate": f'"{VERIFIED}" (default), or "{UNCHECKED}": whoever answers at the address is believed',
    "auth": '"basic" (default), or "session": for BMCs without basic authentication',
    "guid": fields.GUID,
    "confirm_interval": fields.INTERVAL,
}


class RedfishDriver:
    """Fences hosts through their BMC. Keeps no state; may be used from several threads."""

    name = "redfish"

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
        """Raise InventoryError unless the fields are there and can be right. Reads ca_file; talks to nobody."""
        fields.check(
            target, _PROPERTIES, port=DEFAULT_PORT, user_bytes=MAX_USER_BYTES, password_bytes=MAX_PASSWORD_BYTES
        )
        options = target.options
        if ":" in str(options["user"]):
            raise fields.refusal(target, "user", "has a colon in it, which HTTP does not allow", "Use another user")
        system = options.get("system", "any")
        if not isinstance(system, str) or not 1 <= len(system) <= MAX_SYSTEM_LENGTH or "/" in system:
            remedy = 'Write the last part of its path, in quotes, such as "1", or its UUID'
            raise fields.refusal(target, "system", "is no id of a system", remedy)
        certificate = options.get("certificate", VERIFIED)
        if certificate not in (VERIFIED, UNCHECKED):
            raise fields.refusal(target, "certificate", "is a word without meaning", f"Write {VERIFIED} or {UNCHECKED}")
        if options.get("auth", "basic") not in ("basic", "session"):
            raise fields.refusal(target, "auth", "is a word without meaning", "Write basic or session")
        if "ca_file" in options:
            if certificate == UNCHECKED:
                remedy = "Remove certificate: unchecked, or ca_file"
                raise fields.refusal(target, "ca_file", "has no use when the certificate is unchecked", remedy)
            _check_ca_file(target)

    def device(self, target: FenceTarget) -> str:
        """Return address and port of the BMC, and which of its systems, if one is named."""
        device = fields.device(target, port=DEFAULT_PORT)
        system = target.options.get("system")
        return f"{device}/{str(system).lower()}" if device and system else device

    def power_state(self, target: FenceTarget, deadline_seconds: float) -> PowerState:
        """Return one reading of the BMC. Raises BmcError within the deadline, as the others do."""
        return self._bmc.power_state(target, self._request(target), deadline_seconds)

    def read_guid(self, target: FenceTarget, deadline_seconds: float) -> str:
        """Return the UUID of the system."""
        return self._bmc.read_guid(target, self._request(target), deadline_seconds)

    def fence(self, target: FenceTarget, deadline_seconds: float) -> Evidence:
        """Switch off, read "off" in two sessions, return that as evidence."""
        remark = ", and its certificate was not checked" if _is_unchecked(target) else ""
        return self._bmc.fence(target, self._request(target), deadline_seconds, remark=remark)

    def power_on(self, target: FenceTarget, deadline_seconds: float) -> None:
        """Switch on and read "on"."""
        self._bmc.power_on(target, self._request(target), deadline_seconds)

    def _request(self, target: FenceTarget) -> dict[str, Any]:
        self.validate(target)
        if _is_unchecked(target):
            LOG.warning(
                "%s: THE CERTIFICATE OF ITS BMC AT %s IS NOT CHECKED (certificate: %s in %s): whoever answers there "
                "gets the password and is believed",
                target.host,
                target.options["address"],
                UNCHECKED,
                target.file,
            )
        settings = {
            name: str(target.options[name]) for name in ("system", "certificate", "auth") if name in target.options
        }
        if "ca_file" in target.options:
            settings["ca_file"] = _ca_path(target)
        return {**fields.request(target, port=DEFAULT_PORT), "settings": settings}


def _is_unchecked(target: FenceTarget) -> bool:
    return target.options.get("certificate") == UNCHECKED


def _ca_path(target: FenceTarget) -> str:
    return str(Path(target.file).parent / str(target.options["ca_file"]))


def _check_ca_file(target: FenceTarget) -> None:
    path = _ca_path(target)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise fields.refusal(target, "ca_file", f"{path} holds no certificates in PEM", "Name the right file") from None
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror}"
        raise fields.refusal(target, "ca_file", problem, "Make the file, or correct the path") from error
