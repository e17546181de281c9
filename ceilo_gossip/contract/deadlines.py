"""When is a host that does not answer certain to run nothing any more: the calculations of fencing without a BMC.

Everything here is arithmetic on lengths and instants in seconds. The proof, with each assumption and what happens if it
breaks, is a page of the documentation ("Certain death"). The words:

    L     lease duration: a heartbeat counts while its age is at most L
    W     watchdog timeout: the device resets the host when it has not been fed for W
    rho   DRIFT: between any two clocks of the site, the difference in rate
    t0    the instant, on the asker's clock, at which a majority of the electorate has acknowledged a revocation
"""

import dataclasses
import math
from typing import Final

from ceilo_gossip.contract.errors import ContractError

# Crystals differ by at most 200 parts in a million over their range of temperature; time daemons do not change the rate
# of the clock that is used (CLOCK_MONOTONIC_RAW and the time spent in suspend), so five times that is generous.
DRIFT: Final = 0.001
# Seconds for what no clock of ours sees: the watchdog's own granularity (a second for many devices), the moment from
# its firing to the end of the last write that has left the host.
MARGIN: Final = 2.0
# Bounds of what a host may announce. A watchdog below 3 s would be fired by a busy disk; above them recovery is slower
# than a person.
MIN_WATCHDOG, MAX_WATCHDOG = 3.0, 60.0
MIN_LEASE, MAX_LEASE = 3.0, 120.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DeathPromise:
    """What a host has announced about its own end; `ContractError` when it cannot be relied on.

    electorate        id of the electorate whose heartbeats it lives by
    lease_duration    L, seconds
    watchdog_timeout  W, seconds, as the device confirmed it
    """

    electorate: str
    lease_duration: float
    watchdog_timeout: float

    def __post_init__(self) -> None:
        for place, value, low, high in (
            ("lease duration", self.lease_duration, MIN_LEASE, MAX_LEASE),
            ("watchdog timeout", self.watchdog_timeout, MIN_WATCHDOG, MAX_WATCHDOG),
        ):
            if not (math.isfinite(value) and low <= value <= high):
                raise ContractError(place, f"is {value:g} s, not within {low:g}..{high:g} s")
        if not self.electorate:
            raise ContractError("electorate", "is not announced")


def dead_after_revocation(promise: DeathPromise, *, revoked_at: float, drift: float = DRIFT) -> float:
    """The instant from which a host is certain to run nothing, once a majority has acknowledged its revocation.

        revoked_at + (L + 3 W) (1 + rho) + margin

    revoked_at: t0 on the asker's monotonic clock. A heartbeat of a witness that acknowledged, issued after t0,
    revokes; so at t0 + L no majority of fresh heartbeats is without one (two majorities share a witness). From then on
    each feed needs one that was not longer than W ago, and two more can come:

    1. The feeder looked at its grant while it was valid, was paused, and feeds when it goes on.
    2. The feeder is killed, and the kernel feeds once more when it closes the device for it
       (drivers/watchdog/watchdog_dev.c, watchdog_release). Its successor does not open the device without a grant.

    W after the last one the device fires. L passes on the witness's clock and W on the device's, and the asker's may
    run faster by rho, hence the factor.
    """
    lengths = promise.lease_duration + 3 * promise.watchdog_timeout
    return revoked_at + lengths * (1 + drift) + MARGIN


def dead_after_acknowledged_query(promise: DeathPromise, *, acknowledged_at: float) -> float:
    """The instant from which a host is certain to run nothing, once it has acknowledged a fence query.

        acknowledged_at + 2 W (1 + rho) + margin

    The watchdog process has fed for the last time before it acknowledged, and neither it nor a successor feeds until
    the next boot; killed, it leaves one feed to the kernel (see above).
    """
    return acknowledged_at + 2 * promise.watchdog_timeout * (1 + DRIFT) + MARGIN


def longest_blackout(promise: DeathPromise, *, heartbeat_interval: float, spread: float) -> float:
    """The seconds for which every network may be silent without a host losing its lease.

        L (1 - 2 rho) - heartbeat_interval - spread

    spread: seconds until a heartbeat has reached the host, at worst. When the silence begins, the newest heartbeats are
    so old at most.
    """
    return max(0.0, promise.lease_duration * (1 - 2 * DRIFT) - heartbeat_interval - spread)
