"""The ladder: a host's fencing methods, tried in order until one gives evidence.

The inventory is read again for each fence, so that a corrected password takes effect without a restart. Each method
gets an equal share of the time that is left, so that a silent BMC at the top does not starve the method below it. What
all methods failed at is told together, in `FenceFailed`.

Before a method acts, it is told which machine its device must say it belongs to, as far as that is known (`identity`).
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self, TypeVar

from stevedore import named

from remediation.fencing.driver import NAMESPACE, FenceDriver, FenceTarget, PowerState
from remediation.fencing.errors import FenceError, FenceFailed, InventoryError, Stage
from remediation.fencing.evidence import Evidence
from remediation.fencing.identity import IdentityCheck, IdentityMemory, MemoryIdentities
from remediation.fencing.inventory import Inventory, load_inventory

MAX_NAMED: Final = 5  # Hosts in one sentence.
MIN_ATTEMPT_SECONDS: Final = 1.0  # Below this a BMC session cannot be opened, used and confirmed.

_T = TypeVar("_T")
Owners = Mapping[tuple[str, str], Sequence[str]]


@dataclasses.dataclass(frozen=True, slots=True)
class Validation:
    """What a look at the whole inventory found.

    hosts   those that can be fenced as far as can be said without talking to anybody
    faults  one for each other host: why it cannot be fenced
    """

    hosts: tuple[str, ...]
    faults: tuple[FenceError, ...]


class Ladder:
    """Fences hosts. May be used from several threads; blocks.

    drivers         by name
    order           names of drivers, the first to try first; a host with a method that is not among them is refused
    read_inventory  returns the inventory as it is now, or raises InventoryError
    clock           seconds, monotonic
    memory          what was learned about the hosts' devices; unless given, it is forgotten with the ladder
    """

    def __init__(
        self,
        *,
        drivers: Mapping[str, FenceDriver],
        order: Sequence[str],
        read_inventory: Callable[[], Inventory],
        clock: Callable[[], float] = time.monotonic,
        memory: IdentityMemory | None = None,
    ) -> None:
        self._drivers = dict(drivers)
        self._order = tuple(order)
        self._read_inventory = read_inventory
        self._clock = clock
        self._identities = IdentityCheck(memory or MemoryIdentities(), clock)

    def with_memory(self, memory: IdentityMemory) -> Self:
        """Return a ladder like this one that remembers in `memory`."""
        return type(self)(
            drivers=self._drivers,
            order=self._order,
            read_inventory=self._read_inventory,
            clock=self._clock,
            memory=memory,
        )

    def validate(self) -> Validation:
        """Check every entry without talking to anybody; return the hosts that can be fenced, and all faults.

        Raises InventoryError when the inventory as a whole cannot be used.
        """
        inventory = self._read_inventory()
        owners = self._owners(inventory)
        hosts: list[str] = []
        faults: list[FenceError] = []
        for host in inventory.hosts:
            try:
                for target in self._methods(inventory, host, owners):
                    self._drivers[target.driver].validate(target)
            except FenceError as error:
                faults.append(error)
            else:
                hosts.append(host)
        return Validation(tuple(hosts), tuple(faults))

    def fence(self, host: str, deadline_seconds: float) -> Evidence:
        """Switch `host` off and return evidence that it is off, within `deadline_seconds`.

        Raises FenceError: InventoryError when the host cannot be fenced as configured, FenceFailed with the reason of
        every method when none gave evidence. The host may then be on or off.
        """
        evidence = self._first(host, deadline_seconds, lambda driver, target, seconds: driver.fence(target, seconds))
        assert evidence.host == host, f"a driver gave evidence about {evidence.host}, not {host}"
        return evidence

    def power_on(self, host: str, deadline_seconds: float) -> None:
        """Switch `host` on by the first method that can, within `deadline_seconds`. Raises FenceError as `fence`."""
        self._first(host, deadline_seconds, lambda driver, target, seconds: driver.power_on(target, seconds))

    def power_state(self, host: str, deadline_seconds: float) -> PowerState:
        """Return what the host's first method that answers says its power is. Raises FenceError. No evidence."""
        return self._first(host, deadline_seconds, lambda driver, target, seconds: driver.power_state(target, seconds))

    def learn(self, host: str, deadline_seconds: float) -> tuple[str, ...]:
        """Compare what the devices of a host that is known to be well say with what is known, and learn what is not.

        Returns the GUIDs learned now. Raises FenceError, FenceFailed with the reason of every method that failed, after
        all of them were tried: whatever it tells is to be corrected before the host must be fenced.
        """
        deadline = self._clock() + deadline_seconds
        inventory = self._read_inventory()
        targets = self._methods(inventory, host)
        learned: list[str] = []
        reasons: list[tuple[str, FenceError]] = []
        for position, target in enumerate(targets):
            driver = self._drivers[target.driver]
            share = (deadline - self._clock()) / (len(targets) - position)
            try:
                self._check(driver, target, share)
                learned.append(self._identities.learn(driver, target, inventory.claims, share))
            except FenceError as error:
                reasons.append((target.driver, error))
        if reasons:
            raise FenceFailed(host, tuple(reasons))
        return tuple(guid for guid in learned if guid)

    def _first(self, host: str, deadline_seconds: float, act: Callable[[FenceDriver, FenceTarget, float], _T]) -> _T:
        """Return what the first method whose `act` raises no FenceError returns."""
        deadline = self._clock() + deadline_seconds
        inventory = self._read_inventory()
        targets = self._methods(inventory, host)
        reasons: list[tuple[str, FenceError]] = []
        for position, target in enumerate(targets):
            driver = self._drivers[target.driver]
            end = self._clock() + (deadline - self._clock()) / (len(targets) - position)
            try:
                self._check(driver, target, end - self._clock())
                bound = self._identities.bind(driver, target, inventory.claims, end - self._clock())
                return act(driver, bound, end - self._clock())
            except FenceError as error:
                reasons.append((target.driver, error))
        raise FenceFailed(host, tuple(reasons))

    def _check(self, driver: FenceDriver, target: FenceTarget, seconds: float) -> None:
        driver.validate(target)
        if seconds < MIN_ATTEMPT_SECONDS:
            raise FenceError(
                f"only {max(seconds, 0.0):.1f} s were left, too little to try",
                host=target.host,
                stage=Stage.START,
                is_final=False,
            )

    def _owners(self, inventory: Inventory) -> Owners:
        """Return which hosts claim which device, by driver and device."""
        owners: dict[tuple[str, str], list[str]] = {}
        for target in inventory.claims:
            device = self._drivers[target.driver].device(target) if target.driver in self._drivers else ""
            if device:
                hosts = owners.setdefault((target.driver, device), [])
                if target.host not in hosts[-1:]:  # A host's claims follow one another.
                    hosts.append(target.host)
        return owners

    def _methods(self, inventory: Inventory, host: str, owners: Owners | None = None) -> tuple[FenceTarget, ...]:
        """Return the host's methods that are in the order, in that order. Never empty.

        Raises InventoryError also when another host claims the same device: its "off" may be that of the other.
        """
        found = inventory.targets(host)
        owners = self._owners(inventory) if owners is None else owners
        for target in found:
            if target.driver not in self._order or target.driver not in self._drivers:
                raise InventoryError(
                    "names no driver that is in [fencing] ladder",
                    file=inventory.file,
                    host=host,
                    field="driver",
                    remedy=f"Use one of {', '.join(self._order)}, or add it to [fencing] ladder",
                )
            device = self._drivers[target.driver].device(target)
            others = [other for other in owners.get((target.driver, device), ()) if other != host]
            if others:
                raise InventoryError(
                    f"the {target.driver} device {device} is also that of {', '.join(others[:MAX_NAMED])}",
                    file=inventory.file,
                    host=host,
                    field="address",
                    remedy="Correct the address of one of them; until then none of them is fenced",
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
