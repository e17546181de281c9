"""The ladder: a host's fencing methods, tried in order until one gives evidence.

The inventory is read again for each fence, so that a corrected password takes effect without a restart. Each method
gets an equal share of the time that is left, so that a silent BMC at the top does not starve the method below it. What
all methods failed at is told together, in `FenceFailed`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from stevedore import named

from remediation.fencing.driver import NAMESPACE, FenceDriver, FenceTarget, PowerState
from remediation.fencing.errors import FenceError, FenceFailed, InventoryError, Stage
from remediation.fencing.evidence import Evidence
from remediation.fencing.inventory import Inventory, load_inventory

MIN_ATTEMPT_SECONDS: Final = 1.0  # Below this a BMC session cannot be opened, used and confirmed.


class Ladder:
    """Fences hosts. May be used from several threads; blocks.

    drivers         by name
    order           names of drivers, the first to try first; a host with a method that is not among them is refused
    read_inventory  returns the inventory as it is now, or raises InventoryError
    clock           seconds, monotonic
    """

    def __init__(
        self,
        *,
        drivers: Mapping[str, FenceDriver],
        order: Sequence[str],
        read_inventory: Callable[[], Inventory],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._drivers = dict(drivers)
        self._order = tuple(order)
        self._read_inventory = read_inventory
        self._clock = clock

    def validate(self) -> tuple[str, ...]:
        """Check every entry without talking to anybody; return the hosts that can be fenced.

        Raises InventoryError at the first fault.
        """
        inventory = self._read_inventory()
        for host in inventory.hosts:
            for target in self._methods(inventory, host):
                self._drivers[target.driver].validate(target)
        return inventory.hosts

    def fence(self, host: str, deadline_seconds: float) -> Evidence:
        """Switch `host` off and return evidence that it is off, within `deadline_seconds`.

        Raises FenceError: InventoryError when the host cannot be fenced as configured, FenceFailed with the reason of
        every method when none gave evidence. The host may then be on or off.
        """
        deadline = self._clock() + deadline_seconds
        targets = self._methods(self._read_inventory(), host)
        reasons: list[tuple[str, FenceError]] = []
        for position, target in enumerate(targets):
            share = (deadline - self._clock()) / (len(targets) - position)
            try:
                evidence = self._attempt(target, share)
            except FenceError as error:
                reasons.append((target.driver, error))
                continue
            assert evidence.host == host, f"driver {target.driver} gave evidence about {evidence.host}, not {host}"
            return evidence
        raise FenceFailed(host, tuple(reasons))

    def power_state(self, host: str, deadline_seconds: float) -> PowerState:
        """Return what the host's first method that answers says its power is. Raises FenceError. No evidence."""
        deadline = self._clock() + deadline_seconds
        targets = self._methods(self._read_inventory(), host)
        reasons: list[tuple[str, FenceError]] = []
        for position, target in enumerate(targets):
            share = (deadline - self._clock()) / (len(targets) - position)
            try:
                driver = self._drivers[target.driver]
                driver.validate(target)
                return driver.power_state(target, share)
            except FenceError as error:
                reasons.append((target.driver, error))
        raise FenceFailed(host, tuple(reasons))

    def _attempt(self, target: FenceTarget, seconds: float) -> Evidence:
        driver = self._drivers[target.driver]
        driver.validate(target)
        if seconds < MIN_ATTEMPT_SECONDS:
            raise FenceError(
                f"only {max(seconds, 0.0):.1f} s were left, too little to try",
                host=target.host,
                stage=Stage.START,
                is_final=False,
            )
        return driver.fence(target, seconds)

    def _methods(self, inventory: Inventory, host: str) -> tuple[FenceTarget, ...]:
        """Return the host's methods that are in the order, in that order. Never empty."""
        found = inventory.targets(host)
        for target in found:
            if target.driver not in self._order or target.driver not in self._drivers:
                raise InventoryError(
                    f"there is no driver {target.driver[:60]!r} in [fencing] ladder",
                    file=inventory.file,
                    host=host,
                    field="driver",
                    remedy=f"Use one of {', '.join(self._order)}, or add it to [fencing] ladder",
                )
        return tuple(target for name in self._order for target in found if target.driver == name)


def load_ladder(inventory_file: str, order: Sequence[str]) -> Ladder:
    """Return a ladder over the installed drivers named in `order`. Raises FenceError when one is not installed."""
    return Ladder(drivers=load_drivers(order), order=order, read_inventory=lambda: load_inventory(inventory_file))


def load_drivers(names: Sequence[str]) -> dict[str, FenceDriver]:
    """Return the drivers of these names from the stevedore namespace `remediation.fencing`.

    Raises FenceError, final, naming those that are not installed or cannot be imported.
    """
    broken: dict[str, str] = {}
    extensions: Any = named.NamedExtensionManager(
        NAMESPACE,
        list(names),
        invoke_on_load=True,
        on_load_failure_callback=lambda _, point, error: broken.update({point.name: f"{point.name} ({error})"}),
        on_missing_entrypoints_callback=lambda missing: None,  # Told below, together with those that are broken.
    )
    drivers = {extension.name: extension.obj for extension in extensions}
    missing = [broken.get(name, f"{name} (not installed)") for name in names if name not in drivers]
    if missing:
        raise FenceError(
            f"fencing drivers that cannot be used: {', '.join(missing)}; correct [fencing] ladder or install them",
            host="",
            stage=Stage.CONFIGURE,
            is_final=True,
        )
    return drivers
