"""The fields of an inventory entry that `ipmi` and `redfish` share, and how they are checked. Talks to nobody."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Final

from remediation.fencing import guid as guids
from remediation.fencing.driver import FenceTarget
from remediation.fencing.errors import InventoryError
from remediation.fencing.secret import Secret

DEFAULT_INTERVAL: Final = 1.2  # Seconds between the two readings: a BMC may lie for a second (the reference says so).
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")

GUID: Final = (
    "GUID (UUID) of the machine, in any byte order: nothing is switched unless the BMC says the same; without it, what "
    f'the BMC said while the host was well counts. "{guids.UNCHECKED}": do not compare'
)
INTERVAL: Final = f'seconds between the two readings of "off"; 0.2 to 30, default {DEFAULT_INTERVAL}'
PASSWORD_FILE: Final = "file, mode 0600, whose first line is the password; relative to the inventory"  # noqa: S105


def check(
    target: FenceTarget, properties: Mapping[str, str], *, port: int, user_bytes: int, password_bytes: int
) -> None:
    """Raise InventoryError unless the shared fields are there and can be right, and all fields are in `properties`."""
    options = target.options
    for field in options:
        if field not in properties:
            raise refusal(
                target, field, f"is not a field of driver {target.driver}", f"Known are {', '.join(properties)}"
            )
    address = options.get("address")
    if not isinstance(address, str) or not (is_ip_address(address) or _HOST_NAME.match(address)):
        raise refusal(target, "address", "is missing or neither an address nor a name", "Write the BMC's address")
    found = options.get("port", port)
    if not isinstance(found, int) or not 1 <= found <= 65535:
        raise refusal(target, "port", "is not a port number", "Write a number from 1 to 65535, or leave it out")
    user = options.get("user")
    if not isinstance(user, str) or not 1 <= len(user.encode()) <= user_bytes:
        remedy = f"Write 1 to {user_bytes} bytes of text"
        raise refusal(target, "user", "is missing, no text, or longer than the protocol allows", remedy)
    password = options.get("password")
    if not isinstance(password, Secret):
        raise refusal(target, "password", "is missing", "Write password_file (better) or password")
    if not 1 <= len(password.reveal().encode()) <= password_bytes:
        remedy = f"Give the BMC's user a password of 1 to {password_bytes} bytes"
        raise refusal(target, "password", "is empty or longer than the protocol allows", remedy)
    interval = options.get("confirm_interval", DEFAULT_INTERVAL)
    if not isinstance(interval, int | float) or not 0.2 <= interval <= 30:
        raise refusal(target, "confirm_interval", "is not from 0.2 to 30 seconds", "Correct it, or leave it out")
    _check_guid(target)


def _check_guid(target: FenceTarget) -> None:
    guid = target.options.get("guid", guids.UNCHECKED)
    if guid == guids.UNCHECKED or (isinstance(guid, str) and guids.parse(guid)):
        return
    remedy = (
        "Write it in quotes, as 8-4-4-4-12 hexadecimal digits; a GUID of only zeros, only ones, or one that the maker "
        f"left as it was is shared by many machines: write {guids.UNCHECKED}"
    )
    raise refusal(target, "guid", "is no GUID that tells machines apart", remedy)


def request(target: FenceTarget, *, port: int) -> dict[str, Any]:
    """Return what the child process is told of the shared fields. They were checked."""
    password = target.options["password"]
    assert isinstance(password, Secret), "validated before"
    return {
        "address": target.options["address"],
        "port": target.options.get("port", port),
        "user": target.options["user"],
        "password": password.reveal(),
        "interval": target.options.get("confirm_interval", DEFAULT_INTERVAL),
    }


def device(target: FenceTarget, *, port: int) -> str:
    """Return address and port, or "" without an address. A name and its address are two devices: nobody is asked."""
    address, found = target.options.get("address"), target.options.get("port", port)
    if not isinstance(address, str) or not address:
        return ""
    if is_ip_address(address):
        return f"[{ipaddress.ip_address(address)}]:{found}"
    return f"{address.lower().rstrip('.')}:{found}"


def refusal(target: FenceTarget, field: str, problem: str, remedy: str) -> InventoryError:
    """Return the error that blames a field of the target."""
    return InventoryError(problem, file=target.file, host=target.host, field=field, remedy=remedy)


def is_ip_address(text: str) -> bool:
    """Tell whether the text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
