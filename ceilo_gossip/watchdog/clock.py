"""The clock of leases and grants: seconds since boot, at the rate of the hardware, time spent in suspend included.

CLOCK_MONOTONIC will not do: time daemons change its rate (chrony by up to 8 %), and it stands still in suspend, so that
a host that slept would take old heartbeats for new ones. CLOCK_MONOTONIC_RAW runs at the hardware's rate; what
CLOCK_BOOTTIME shows more than CLOCK_MONOTONIC is the time spent in suspend.
"""

import time


def boot_clock() -> float:
    """Seconds; comparable between the processes of one boot of one host, and with nothing else."""
    asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.clock_gettime(time.CLOCK_MONOTONIC_RAW) + asleep
