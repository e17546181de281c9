"""A fencing driver without hardware, for tests of everything above the drivers.

It keeps each host's power in memory and obeys the same contract as the real ones: the contract suite runs on it. Faults
are told to it per host. It is no entry point, on purpose: no configuration may turn a fake's word into evidence.
"""

import datetime
from collections.abc import Callable, Iterable, Mapping

from remediation.fencing.driver import FenceTarget, PowerState
from remediation.fencing.errors import BmcError, FenceError, Stage
from remediation.fencing.evidence import Evidence
from remediation.fencing.guid import UNCHECKED, is_same


def no_answer(host: str) -> FenceError:
    """Return the error of a BMC that does not answer: not final."""
    return BmcError("the BMC did not answer", host=host, stage=Stage.LOGIN, is_final=False)


def wrong_password(host: str) -> FenceError:
    """Return the error of a BMC that refuses the password: final."""
    return BmcError("the BMC refused the password", host=host, stage=Stage.LOGIN, is_final=True)


def other_machine(host: str) -> FenceError:
    """Return the error of a BMC that belongs to another machine than expected: final."""
    return BmcError("the BMC is that of another machine", host=host, stage=Stage.IDENTIFY, is_final=True)


class FakeDriver:
    """Fences hosts that exist only here.

    power   host -> its power; a host never mentioned is on
    faults  host -> the errors that its next calls raise, in order; then it works
    calls   (verb, host) of every call, in order
    guids   host -> which machine its device says it belongs to; that of a host never mentioned tells none
    on_off  called with the host's name when it goes from on to off
    """

    name = "fake"

    def __init__(
        self,
        *,
        off: Iterable[str] = (),
        on_off: Callable[[str], None] = lambda host: None,
        wall_clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self.power: dict[str, PowerState] = dict.fromkeys(off, PowerState.OFF)
        self.faults: dict[str, list[FenceError]] = {}
        self.calls: list[tuple[str, str]] = []
        self.guids: dict[str, str] = {}
        self._on_off = on_off
        self._wall_clock = wall_clock

    def get_properties(self) -> Mapping[str, str]:
        """A fake host needs nothing."""
        return {}

    def validate(self, target: FenceTarget) -> None:
        """Accept every target."""

    def device(self, target: FenceTarget) -> str:
        """Return the target's address, should a test have given it one."""
        return str(target.options.get("address", ""))

    def power_state(self, target: FenceTarget, deadline_seconds: float) -> PowerState:
        """Return the power of the fake host, or raise its next fault."""
        self.calls.append(("power_state", target.host))
        self._raise_fault(target.host)
        self._compare(target)
        return self.power.get(target.host, PowerState.ON)

    def read_guid(self, target: FenceTarget, deadline_seconds: float) -> str:
        """Return the GUID, or raise the host's next fault."""
        self.calls.append(("read_guid", target.host))
        self._raise_fault(target.host)
        return self.guids.get(target.host, "")

    def fence(self, target: FenceTarget, deadline_seconds: float) -> Evidence:
        """Switch the fake host off, or raise its next fault and leave it as it is."""
        self.calls.append(("fence", target.host))
        self._raise_fault(target.host)
        self._compare(target)
        was = self.power.get(target.host, PowerState.ON)
        self.power[target.host] = PowerState.OFF
        if was is PowerState.ON:
            self._on_off(target.host)
        return Evidence(
            host=target.host,
            method=self.name,
            statement=f"the fake host was {was} and is off",
            observed_at=self._wall_clock().isoformat(),
            details={"was": str(was)},
        )

    def power_on(self, target: FenceTarget, deadline_seconds: float) -> None:
        """Switch the fake host on, or raise its next fault and leave it as it is."""
        self.calls.append(("power_on", target.host))
        self._raise_fault(target.host)
        self._compare(target)
        self.power[target.host] = PowerState.ON

    def _compare(self, target: FenceTarget) -> None:
        expected = str(target.options.get("guid", target.learned_guid))
        if expected not in ("", UNCHECKED) and not is_same(expected, self.guids.get(target.host, "")):
            raise other_machine(target.host)

    def _raise_fault(self, host: str) -> None:
        pending = self.faults.get(host)
        if pending:
            raise pending.pop(0)
