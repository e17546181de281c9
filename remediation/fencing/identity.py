"""Which machine a BMC belongs to, so that a wrong address switches nothing off.

A BMC says which machine it is part of: the system's GUID (IPMI: Get System GUID, else Get Device GUID; Redfish:
ComputerSystem.UUID). Both drivers read it in every session, before anything else, and hold it against what is expected.

Rules, the first that applies:

1. The inventory says `guid: unchecked`: nothing is compared, and nothing is learned.
2. The inventory says which GUID it is, and says so for no other host: the BMC must say the same.
3. It was learned for this host, driver and device: the BMC must say the same. It is learned only by `learn`, which is
   called only while the host is known to be well, and only once: the first that was learned stays. Whoever replaces the
   machine writes its new GUID into the inventory, and so rule 2 applies.
4. Nothing is known. The BMC is asked, and must not say what is known, from the inventory or by learning, to be another
   host's. What it said then must not change until the host is off. A BMC that tells no GUID cannot be checked.

A host that is well is on. Should its BMC say "off" meanwhile, it is the BMC of another host, and nothing is learned.

Byte order: IPMI's 16 bytes are sent least significant byte first (IPMI 2.0, section 20.8), as SMBIOS stores a UUID, or
as RFC 4122 does, depending on who wrote the firmware, and tools show them in any of these ways. So two GUIDs are the
same when one is the other with its bytes in another of these orders. Two machines that differ in nothing but that do
not exist by chance.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from remediation.fencing.driver import FenceDriver, FenceTarget, PowerState
from remediation.fencing.errors import BmcError, FenceError, InventoryError, Stage
from remediation.fencing.guid import UNCHECKED, canonical

GUID_FIELD: Final = "guid"

Known = tuple[str, str, str, str]  # Host, driver, device, GUID.


class IdentityMemory(Protocol):
    """Where learned GUIDs are kept: the incident database (`store.identities`), for tests `MemoryIdentities`."""

    def read_identities(self) -> Sequence[Known]:
        """Return all that was learned."""

    def keep_identity(self, host: str, driver: str, device: str, guid: str) -> None:
        """Keep a GUID unless there is one for that host, driver and device: the first one stays."""


class MemoryIdentities:
    """Forgets with its process."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], str] = {}

    def read_identities(self) -> list[Known]:
        """Return all that was learned."""
        return [(*key, guid) for key, guid in self._known.items()]

    def keep_identity(self, host: str, driver: str, device: str, guid: str) -> None:
        """Keep a GUID unless there is one."""
        self._known.setdefault((host, driver, device), guid)


class IdentityCheck:
    """Applies the rules. Keeps no state but what `memory` keeps; may be used from several threads."""

    def __init__(self, memory: IdentityMemory, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory = memory
        self._clock = clock

    def bind(
        self, driver: FenceDriver, target: FenceTarget, claims: Iterable[FenceTarget], seconds: float
    ) -> FenceTarget:
        """Return the target with the GUID that its BMC must say, as far as one is known.

        Asks the BMC, for half of the time at most, only when nothing is known (rule 4). Raises FenceError: the BMC's,
        or a final one when the GUID is another host's.
        """
        device = driver.device(target)
        if not device or target.options.get(GUID_FIELD) == UNCHECKED:
            return target
        if GUID_FIELD in target.options:
            _refuse_two_claims(target, claims)
            return target
        learned = self._memory.read_identities()
        for host, name, where, guid in learned:
            if (host, name, where) == (target.host, target.driver, device):
                return dataclasses.replace(target, learned_guid=guid)
        guid = driver.read_guid(target, seconds / 2)
        if not guid:
            return target
        _refuse_other_owner(target, guid, claims, learned)
        return dataclasses.replace(target, learned_guid=guid)

    def learn(self, driver: FenceDriver, target: FenceTarget, claims: Iterable[FenceTarget], seconds: float) -> str:
        """Compare what the BMC of a host that is well says with what is known; learn it if nothing is.

        Returns the GUID that was learned, or "" when there was nothing to learn. Raises FenceError when the BMC is not
        this host's, or did not answer.
        """
        deadline = self._clock() + seconds
        bound = self.bind(driver, target, claims, seconds)
        power = driver.power_state(bound, max(0.0, deadline - self._clock()))
        if power is not PowerState.ON:
            raise BmcError(
                "its BMC says that the host is off, but it is well: the BMC is another host's; correct its address",
                host=target.host,
                stage=Stage.IDENTIFY,
                is_final=True,
            )
        if not bound.learned_guid:
            return ""
        device = driver.device(target)
        known = {(host, name, where) for host, name, where, _ in self._memory.read_identities()}
        if (target.host, target.driver, device) in known:
            return ""
        self._memory.keep_identity(target.host, target.driver, device, bound.learned_guid)
        return bound.learned_guid


def _refuse_two_claims(target: FenceTarget, claims: Iterable[FenceTarget]) -> None:
    own = canonical(str(target.options[GUID_FIELD]))
    for claim in claims:
        other = claim.options.get(GUID_FIELD, UNCHECKED)
        if claim.host != target.host and other != UNCHECKED and canonical(str(other)) == own:
            raise InventoryError(
                f"is also that of {claim.host}",
                file=target.file,
                host=target.host,
                field=GUID_FIELD,
                remedy="Correct one of them; until then neither is fenced",
            )


def _refuse_other_owner(
    target: FenceTarget, guid: str, claims: Iterable[FenceTarget], learned: Sequence[Known]
) -> None:
    own = canonical(guid)
    claimed = ((one.host, str(one.options.get(GUID_FIELD, UNCHECKED))) for one in claims)
    known = ((host, other) for host, _, _, other in learned)
    for host, other in (*claimed, *known):
        if host != target.host and other != UNCHECKED and canonical(other) == own:
            raise FenceError(
                f"the BMC says that it is that of the machine {guid}, which is {host}, not {target.host}; nothing was "
                f"switched. Correct the address of {target.host} (or of {host}, if that one is wrong); if the two "
                f"machines share a GUID by their maker's mistake, write guid: {UNCHECKED} for both",
                host=target.host,
                stage=Stage.IDENTIFY,
                is_final=True,
            )
