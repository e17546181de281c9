"""The port that every fencing driver implements, and what it is told about a host.

Drivers are found through the stevedore namespace `remediation.fencing`; `fake.FakeDriver` ships beside the real ones. A
driver is built without arguments, keeps no state between calls and may be called from several threads.
"""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Final, Protocol

from remediation.fencing.evidence import Evidence
from remediation.fencing.secret import Secret

NAMESPACE: Final = "remediation.fencing"


class PowerState(enum.StrEnum):
    """What a host's power was read to be. "No answer" is an error, never a state."""

    ON = "on"
    OFF = "off"


@dataclasses.dataclass(frozen=True, slots=True)
class FenceTarget:
    """One method to fence one host.

    host     Nova host name
    driver   name in the namespace `remediation.fencing`, such as "ipmi"
    options  the driver's own fields, as read from the inventory; secrets are `Secret`
    file     the inventory they were read from, for error messages
    learned_guid  which machine the device said before that it belongs to, or "" (see `identity`); the inventory's own
                  `guid`, if there is one, counts instead
    """

    host: str
    driver: str
    options: Mapping[str, str | int | float | Secret]
    file: str = "<memory>"
    learned_guid: str = ""


class FenceDriver(Protocol):
    """A way to switch a host off and to know that it is off."""

    def get_properties(self) -> Mapping[str, str]:
        """Return the driver's fields in the inventory: name -> what it means, with default or "required"."""

    def validate(self, target: FenceTarget) -> None:
        """Raise InventoryError unless the target's options make sense. Talks to nobody."""

    def device(self, target: FenceTarget) -> str:
        """Return which device the target's options name, or "" when they name none. Talks to nobody, never raises.

        Two targets of a driver with the same text would switch the same host. The target need not be valid.
        """

    def power_state(self, target: FenceTarget, deadline_seconds: float) -> PowerState:
        """Return the host's power as it is said to be now: one reading, no evidence.

        Returns or raises FenceError within `deadline_seconds`.
        """

    def read_guid(self, target: FenceTarget, deadline_seconds: float) -> str:
        """Return the GUID of the machine that the device says it belongs to, or "" when it tells none.

        Compares it with nothing. Returns or raises FenceError within `deadline_seconds`.
        """

    def fence(self, target: FenceTarget, deadline_seconds: float) -> Evidence:
        """Switch the host off and return evidence that it is off.

        A host found off already is evidence too. May be repeated at will. Raises FenceError, within
        `deadline_seconds`, whenever that was not proved; the host may then be on or off. Nothing is switched when the
        device belongs to another machine than expected: that error is final.
        """

    def power_on(self, target: FenceTarget, deadline_seconds: float) -> None:
        """Switch the host on and return once it is said to be on. A host found on already is no error.

        Raises FenceError, within `deadline_seconds`, whenever that was not read; the host may then be on or off.
        """
