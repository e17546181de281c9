"""The lease of one host: until when may it run instances? Decided from heartbeats alone.

Rules it keeps:

* A heartbeat counts while the bound on its age (`clock`) is at most the lease duration. A witness whose clock is not
  known, because this boot of it was never asked, counts for nothing.
* Of each witness the newest heartbeat counts, whichever network brought it; one that revokes this host counts against
  it at once, whatever older ones said.
* The lease ends at the instant at which fewer than a majority are left. No heartbeat lengthens what it has not earned:
  one that was held up for an hour on the way is an hour old.
* Heartbeats in the name of another electorate are nothing.
* Quorum on a network is the same question, asked of the heartbeats heard on that network, whomever they revoke: may
  we believe what we see there?

`LeaseKeeper` is a machine like the others: heartbeats and round trips come in, changes come out.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ceilo_gossip.contract.deadlines import DRIFT
from ceilo_gossip.contract.electorate import Electorate
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.lease.clock import WitnessClock
from ceilo_gossip.lease.heartbeat import Heartbeat

# A witness has one boot at a time; the one before it may still be on its way. More are invented.
MAX_BOOTS = 4
# Every few minutes, so that drift never adds more than a fraction of a second to an age.
ROUND_TRIP_INTERVAL = 120.0
# A question or its answer may be lost; asked again after so many seconds.
ROUND_TRIP_RETRY = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSettings:
    """host: ours. before: the electorate that is being left, while it is. duration: L, seconds. drift: rho."""

    host: str
    electorate: Electorate
    before: Electorate | None = None
    duration: float = 8.0
    drift: float = DRIFT

    def __post_init__(self) -> None:
        if self.before is not None and not self.electorate.may_follow(self.before):
            raise ValueError(
                "an electorate may change by one witness at a time: add the new one, then take out the old"
            )

    @property
    def electorates(self) -> tuple[str, ...]:
        """The ids that a heartbeat may speak in the name of."""
        return (self.electorate.id,) if self.before is None else (self.electorate.id, self.before.id)


@dataclass(frozen=True, slots=True)
class LeaseChanged:
    """`until`: the lease is held until then at least, unless it is revoked; None: it is lost. reason: a sentence."""

    until: float | None
    reason: str
    at: float


@dataclass(slots=True)
class _Boot:
    """What is known of one boot of one witness."""

    newest: Heartbeat | None = None
    heard: dict[Network, float] = field(default_factory=dict)  # Issue time of the newest one heard there.
    clock: WitnessClock | None = None
    ask_at: float = -math.inf


class LeaseKeeper:
    """`verify(heartbeat)`: whether its signature is the witness's; None when witnesses do not sign."""

    def __init__(self, settings: LeaseSettings, *, verify: Callable[[Heartbeat], bool] | None = None) -> None:
        self._settings = settings
        self._verify = verify
        self._boots: dict[str, dict[bytes, _Boot]] = {name: {} for name in settings.electorate.witnesses}
        self._events: deque[LeaseChanged] = deque()
        self._told_until: float | None = None
        self.counters: Counter[str] = Counter()

    # What comes in.

    def handle_heartbeat(self, network: Network, heartbeat: Heartbeat, now: float) -> bool:
        """One was heard on `network`; True when it is news there, and so worth passing on."""
        boots = self._boots.get(heartbeat.witness)
        if boots is None or not set(heartbeat.electorates) & set(self._settings.electorates):
            self.counters["heartbeats_of_another_electorate"] += 1
            return False
        boot = boots.get(heartbeat.boot_id, _Boot())
        if heartbeat.issued_at <= boot.heard.get(network, -1.0):
            return False
        if not self._is_genuine(heartbeat, boot, now):
            return False
        if heartbeat.boot_id not in boots:
            boots[heartbeat.boot_id] = boot
            self._forget_boots(boots)
        boot.heard[network] = heartbeat.issued_at
        if boot.newest is None or heartbeat.issued_us > boot.newest.issued_us:
            boot.newest = heartbeat
        self._move(now)
        return True

    def _is_genuine(self, heartbeat: Heartbeat, boot: _Boot, now: float) -> bool:
        if boot.newest == heartbeat:
            return True  # Heard on another network before.
        if self._verify is not None and not self._verify(heartbeat):
            self.counters["heartbeats_with_a_wrong_signature"] += 1
            return False
        if boot.clock is not None and heartbeat.issued_at > boot.clock.latest(now):
            # Issued in the future: a witness whose clock is broken must not lengthen any lease.
            self.counters["heartbeats_from_the_future"] += 1
            return False
        return True

    def handle_round_trip(self, witness: str, boot_id: bytes, *, shown: float, asked_at: float, now: float) -> None:
        """Asked by us at our `asked_at`, this boot of a witness answered that its clock showed `shown`."""
        boots = self._boots.get(witness)
        if boots is None:
            return
        boot = boots.get(boot_id)
        if boot is None:
            boot = boots[boot_id] = _Boot()
            self._forget_boots(boots)
        if boot.clock is None:
            boot.clock = WitnessClock(asked_at, shown, drift=self._settings.drift)
        else:
            boot.clock.note(asked_at, shown)
        boot.ask_at = asked_at + ROUND_TRIP_INTERVAL
        if boot.newest is not None and boot.newest.issued_at > boot.clock.latest(now):
            self.counters["heartbeats_from_the_future"] += 1
            boot.newest = None
            boot.heard.clear()
        self._move(now)

    def handle_timer(self, now: float) -> None:
        """Let time pass."""
        self._move(now)

    # What goes out.

    def take_questions(self, now: float) -> list[str]:
        """The witnesses whose clock is to be asked for now; each is named again until it has answered."""
        wanted = []
        for name, boots in self._boots.items():
            due = [boot for boot in boots.values() if boot.newest is not None and boot.ask_at <= now]
            for boot in due:
                boot.ask_at = now + ROUND_TRIP_RETRY
            if due:
                wanted.append(name)
        return wanted

    def get_timer(self) -> float | None:
        """When something of this has to be done: the lease ends, or somebody is to be asked."""
        asks = [b.ask_at for boots in self._boots.values() for b in boots.values() if b.newest is not None]
        due = asks if self._told_until is None else [*asks, self._told_until]
        return min(due, default=None)

    def next_event(self) -> LeaseChanged | None:
        """The next change, None when all have been told."""
        return self._events.popleft() if self._events else None

    def until(self, now: float) -> float | None:
        """The instant until which we hold the lease if nothing more comes, None when we do not hold it now."""
        ends = sorted(self._ends(lambda heartbeat: heartbeat.revokes(self._settings.host)).values(), reverse=True)
        majority = self._settings.electorate.majority
        if len(ends) < majority or ends[majority - 1] <= now:
            return None
        return ends[majority - 1]

    def quorum_until(self, network: Network, now: float) -> float | None:
        """The instant until which a majority was heard on `network` lately, None when it was not."""
        ends = sorted(self._ends_heard(network).values(), reverse=True)
        majority = self._settings.electorate.majority
        if len(ends) < majority or ends[majority - 1] <= now:
            return None
        return ends[majority - 1]

    def fresh_witnesses(self, now: float) -> list[str]:
        """The witnesses that count for us now."""
        ends = self._ends(lambda heartbeat: heartbeat.revokes(self._settings.host))
        return sorted(name for name, end in ends.items() if end > now)

    def revoking_witnesses(self, now: float) -> list[str]:
        """The witnesses whose fresh heartbeats revoke us."""
        ends = self._ends(lambda heartbeat: not heartbeat.revokes(self._settings.host))
        return sorted(name for name, end in ends.items() if end > now)

    # How it decides.

    def _ends(self, is_left_out: Callable[[Heartbeat], bool]) -> Mapping[str, float]:
        """When each witness's newest heartbeat grows too old, those aside that are left out or cannot be dated."""
        ends: dict[str, float] = {}
        for name, boots in self._boots.items():
            for boot in boots.values():
                if boot.newest is None or boot.clock is None or is_left_out(boot.newest):
                    continue
                end = boot.clock.old_at(boot.newest.issued_at, self._settings.duration)
                ends[name] = max(end, ends.get(name, -math.inf))
        return ends

    def _ends_heard(self, network: Network) -> Mapping[str, float]:
        ends: dict[str, float] = {}
        for name, boots in self._boots.items():
            for boot in boots.values():
                if boot.clock is not None and network in boot.heard:
                    end = boot.clock.old_at(boot.heard[network], self._settings.duration)
                    ends[name] = max(end, ends.get(name, -math.inf))
        return ends

    def _move(self, now: float) -> None:
        until = self.until(now)
        if until == self._told_until:
            return
        self._told_until = until
        self._events.append(LeaseChanged(until, self._reason(now), now))

    def _reason(self, now: float) -> str:
        total = len(self._settings.electorate.witnesses)
        fresh, revoking = self.fresh_witnesses(now), self.revoking_witnesses(now)
        text = f"{len(fresh)} of {total} witnesses were heard in the last {self._settings.duration:g} s"
        return f"{text}; {', '.join(revoking)} revoke this host" if revoking else text

    def _forget_boots(self, boots: dict[bytes, _Boot]) -> None:
        while len(boots) > MAX_BOOTS:
            # The first met is the oldest; a boot that is still alive comes back with its next heartbeat.
            del boots[next(iter(boots))]
            self.counters["boots_forgotten"] += 1
