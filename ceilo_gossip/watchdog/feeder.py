"""When may the watchdog be fed? Pure; the process around it does what the events say, in their order.

Rules it keeps:

* The device is opened, which arms it, with the first valid grant and never without one: a host that never had a lease
  runs nothing that would have to be stopped, and is not reset for it.
* It is fed only while a grant is valid. A grant is an instant; a later one replaces it, an earlier one too, and "now"
  takes it away. Fed again after a gap, if a new grant comes before the device fires: nothing was lost then.
* Fenced means never fed again until the next boot, whatever is granted. The owner keeps that on a memory file system,
  so that a restarted process knows it from the start.
* Disarmed only on request, and only while a grant is valid: who holds no lease may not get away from its watchdog.
  A device that cannot be disarmed (nowayout) is fed without grants from then on, which is the same to the host.

    from        grant        grant ends  fence    disarm, disarmed  disarm, impossible
    UNARMED     ARMED        -           FENCED   UNARMED           -
    ARMED       ARMED        STARVING    FENCED   UNARMED           CARETAKING
    STARVING    ARMED        -           FENCED   refused           refused
    CARETAKING  ARMED        -           FENCED   UNARMED           CARETAKING
    FENCED      -            -           -        refused           refused
"""

import enum
import math
from collections import deque
from dataclasses import dataclass
from typing import Final

# Four feeds in each timeout: three may be late before anything happens.
FEEDS_PER_TIMEOUT: Final = 4
# As sbd: a warning at 3/5 of the timeout, because nobody can write anything down afterwards.
WARN_AT: Final = 0.6


class Phase(enum.StrEnum):
    """Where the feeder is between the host's boot and its end."""

    UNARMED = "unarmed"
    ARMED = "armed"
    STARVING = "starving"
    CARETAKING = "caretaking"
    FENCED = "fenced"


@dataclass(frozen=True, slots=True)
class Open:
    """Open the device, which arms and feeds it; then call `opened` or `open_failed`."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Feed the device now."""


@dataclass(frozen=True, slots=True)
class Disarm:
    """Disarm and close the device; then call `disarmed`."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Something a person may want to read. is_grave: it may be the last thing this host says."""

    text: str
    is_grave: bool


Deed = Open | Feed | Disarm | Tell


class FeederRefused(ValueError):
    """What was asked for must not be done; the text says why."""


class Feeder:
    """The decisions. `is_fenced`: so it was found at the start. Instants are seconds on the boot-time clock."""

    def __init__(self, *, is_fenced: bool = False) -> None:
        self._phase = Phase.FENCED if is_fenced else Phase.UNARMED
        self._grant = -math.inf
        self._timeout: float | None = None
        self._fed_at = -math.inf
        self._is_opening = False
        self._is_warned = False
        self._deeds: deque[Deed] = deque()

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def timeout(self) -> float | None:
        """The timeout that the device confirmed, seconds; None while it is not open."""
        return self._timeout

    def grant_left(self, now: float) -> float:
        """Seconds for which the grant is still valid."""
        return max(0.0, self._grant - now)

    # What comes in.

    def handle_grant(self, until: float, now: float) -> None:
        """The agent holds the lease until `until`; an instant that is over takes the grant away."""
        if self._phase is Phase.FENCED:
            return
        self._grant = until
        if not self._is_granted(now):
            self._starve()
            return
        if self._timeout is None:
            if not self._is_opening:
                self._is_opening = True
                self._deeds.append(Open())
            return
        if self._phase is not Phase.ARMED:
            if self._phase is Phase.STARVING:
                self._deeds.append(Tell("the lease is held again, the watchdog is fed again", is_grave=False))
            self._phase = Phase.ARMED
        self._feed_if_due(now)

    def handle_fence(self, reason: str, now: float) -> None:
        """Never feed again. The owner has stored it, so that no successor feeds either."""
        if self._phase is Phase.FENCED:
            return
        self._phase = Phase.FENCED
        left = "" if self._timeout is None else f" within {self._timeout:g} s"
        self._deeds.append(Tell(f"this host is fenced ({reason}) and will be reset{left}", is_grave=True))

    def handle_disarm(self, reason: str, now: float) -> None:
        """A planned stop. `FeederRefused` for a host that is fenced or holds no lease."""
        if self._phase is Phase.FENCED:
            raise FeederRefused("this host is fenced; it can only be reset")
        if self._timeout is None:
            return
        if self._phase is Phase.STARVING or (self._phase is Phase.ARMED and not self._is_granted(now)):
            raise FeederRefused("this host holds no lease now; its instances may be about to run elsewhere")
        self._deeds.append(Tell(f"the watchdog is disarmed: {reason}", is_grave=False))
        self._deeds.append(Disarm())

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        if self._timeout is None or self._phase is Phase.UNARMED:
            return
        if self._phase is Phase.ARMED and not self._is_granted(now):
            self._starve()
        if self._phase in (Phase.ARMED, Phase.CARETAKING):
            self._feed_if_due(now)
        elif not self._is_warned and now >= self._fed_at + WARN_AT * self._timeout:
            self._is_warned = True
            left = max(0.0, self._fed_at + self._timeout - now)
            self._deeds.append(Tell(f"this host will be reset in {left:.1f} s: {self._phase}", is_grave=True))

    def get_timer(self) -> float | None:
        """When `handle_timer` has something to do; None while nothing is armed."""
        if self._timeout is None or self._phase is Phase.UNARMED:
            return None
        if self._phase is Phase.CARETAKING:
            return self._feed_at
        if self._phase is Phase.ARMED:
            return min(self._feed_at, self._grant)
        return None if self._is_warned else self._fed_at + WARN_AT * self._timeout

    def next_deed(self, now: float) -> Deed | None:
        """What is to be done next, None when nothing is. A feed or an opening whose grant ended is left out."""
        while self._deeds:
            deed = self._deeds.popleft()
            if isinstance(deed, Feed | Open) and not self._may_feed(now):
                self._is_opening = False
                continue
            return deed
        return None

    # What became of it.

    def opened(self, timeout: float, now: float) -> None:
        """The device is open, and was fed by that after `now`; `timeout` is what it confirmed."""
        self._is_opening = False
        self._timeout = timeout
        self._fed_at = now
        self._is_warned = False
        if self._phase is Phase.UNARMED:
            self._phase = Phase.ARMED
            self._deeds.append(Tell(f"the watchdog is armed, with a timeout of {timeout:g} s", is_grave=False))

    def open_failed(self, reason: str) -> None:
        """The device cannot be used; tried again with the next grant."""
        self._is_opening = False
        self._deeds.append(Tell(f"the watchdog cannot be armed: {reason}", is_grave=True))

    def fed(self, now: float) -> None:
        """The device was fed after `now`."""
        self._fed_at = now
        self._is_warned = False

    def disarmed(self, *, is_stopped: bool) -> None:
        """What came of `Disarm`: the device stands still, or it cannot be stopped and goes on."""
        if is_stopped:
            self._timeout = None
            self._phase = Phase.UNARMED
            self._grant = -math.inf
        else:
            self._phase = Phase.CARETAKING
            text = "this watchdog cannot be disarmed, so it is fed without a lease until this host stops"
            self._deeds.append(Tell(text, is_grave=False))

    # How it decides.

    def _is_granted(self, now: float) -> bool:
        return now < self._grant

    def _may_feed(self, now: float) -> bool:
        if self._phase is Phase.FENCED:
            return False
        return self._phase is Phase.CARETAKING or self._is_granted(now)

    @property
    def _feed_at(self) -> float:
        assert self._timeout is not None
        return self._fed_at + self._timeout / FEEDS_PER_TIMEOUT

    def _feed_if_due(self, now: float) -> None:
        if now >= self._feed_at and not any(isinstance(deed, Feed) for deed in self._deeds):
            self._deeds.append(Feed())

    def _starve(self) -> None:
        if self._phase is Phase.ARMED:
            self._phase = Phase.STARVING
            self._deeds.append(Tell("this host holds no lease any more, the watchdog is not fed", is_grave=True))
