"""A bounded model of the lease protocol, searched exhaustively; the decisions are those of the production code.

Three witnesses, a controller that has a host revoked, and that host, its agent and its watchdog, in whole ticks.

What a host can know of one witness at one tick is exactly this: one heartbeat issued so far as the newest, or none, and
the bound of one finished round trip, or none. *Any* heartbeat may be the newest one that arrived (the later ones are
lost, late or held by a relay; that an older one never undoes a newer one is shown by `test_lease_orders`), and any
round trip the best one, asked at any tick and answered at any tick since. A host whose agent was killed, or paused, or
rebooted, knows less, and "nothing" is among what it can know. Nothing that it knows of one witness restricts what it
can know of another. So for each schedule of stores and acknowledgements, and each tick, all that a host can know is
enumerated, the production code says how long its lease is, and the feeder is searched with every grant that follows:

* the agent hands the feeder any of these leases, at any tick, or none (killed, frozen);
* the feeder finds a grant valid and feeds at any later tick (paused in between), if the device has not fired before;
* the feeder is killed, at any tick: the kernel feeds for it once more as it closes the device, and its successor opens
  it again with a valid grant only;
* the device fires when it was not fed for its timeout.

The host's, the witnesses', the device's and the controller's clocks differ in rate by the drift. What must hold: no
feed keeps the host up beyond the deadline of `contract.deadlines`, from the tick at which a majority had acknowledged.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ceilo_gossip.contract.electorate import Electorate
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.lease.heartbeat import make_heartbeat
from ceilo_gossip.lease.lease import LeaseKeeper, LeaseSettings

HOST = "cmp-1"
ELECTORATE = Electorate.of(["ctl-1", "ctl-2", "ctl-3"])
BOOT = bytes(16)
SLACK = 1e-6  # Floating point and whole microseconds.


@dataclass(frozen=True, slots=True)
class Rates:
    """Ticks that each clock shows in a true tick; any two differ by a factor of 1 + drift at most."""

    host: float = 1.0
    witness: float = 1.0
    device: float = 1.0
    controller: float = 1.0


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol's rules, each of which a mutation can break; lengths are ticks."""

    lease: int = 4
    watchdog: int = 2
    drift: float = 0.0
    rates: Rates = field(default_factory=Rates)
    asked_until: int = 2  # Revocations reach witnesses in the ticks from 0 to this.
    longest_round_trip: int = 2
    # Mutations.
    forgets_on_restart: bool = False
    acknowledges_before_storing: bool = False
    ages_from_arrival: bool = False
    dates_by_receipt: bool = False
    ignores_revocations: bool = False
    needs: int = 2  # Witnesses for a lease; a majority.
    watchdogs_in_deadline: int = 3
    counts_drift: bool = True

    @property
    def wait(self) -> float:
        """Ticks on the controller's clock from t0 to certain death, without the margin."""
        factor = 1 + self.drift if self.counts_drift else 1.0
        return (self.lease + self.watchdogs_in_deadline * self.watchdog) * factor

    @property
    def last_tick(self) -> int:
        """Beyond it nothing can happen any more that counts."""
        return self.asked_until + 2 * (self.lease + 3 * self.watchdog) + 2


@dataclass(frozen=True, slots=True)
class Schedule:
    """When one witness has stored the revocation, and when it acknowledged it; None: never."""

    stored_at: int | None
    acknowledged_at: int | None


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a host knows of one witness: a round trip as (asked, answered), a heartbeat as (issued, revokes)."""

    trip: tuple[int, int] | None
    heartbeat: tuple[int, bool] | None


@dataclass(slots=True)
class Found:
    """What the search found. latest: the latest death after t0, in ticks on the controller's clock."""

    schedules: int = 0
    cases: int = 0
    latest: float = 0.0
    violation: str | None = None


def explore(rules: Rules) -> Found:
    """Search everything; ends at the first violation."""
    found = Found()
    known: dict[tuple[int | None, ...], list[frozenset[float]]] = {}
    for schedules in itertools.combinations_with_replacement(list(_schedules(rules)), len(ELECTORATE.witnesses)):
        acknowledged = sorted(one.acknowledged_at for one in schedules if one.acknowledged_at is not None)
        if len(acknowledged) < ELECTORATE.majority:
            continue
        found.schedules += 1
        t0 = acknowledged[ELECTORATE.majority - 1]
        # What a host can hear depends on the stores only.
        stores = tuple(one.stored_at for one in schedules)
        if stores not in known:
            known[stores] = [_grants(rules, schedules, tick, found) for tick in range(rules.last_tick + 1)]
        _search_feeder(rules, t0, known[stores], schedules, found)
        if found.violation is not None:
            break
    return found


def _schedules(rules: Rules) -> Iterator[Schedule]:
    ticks = range(rules.asked_until + 1)
    yield Schedule(None, None)
    for stored_at in ticks:
        yield Schedule(stored_at, None)
        for acknowledged_at in range(stored_at, rules.asked_until + 1):
            yield Schedule(stored_at, acknowledged_at)
    if rules.acknowledges_before_storing:
        for acknowledged_at in ticks:
            yield Schedule(None, acknowledged_at)  # It crashed in between.


def _heartbeats(rules: Rules, schedule: Schedule, tick: int) -> Iterator[tuple[int, bool]]:
    """All that a witness may have issued: before the store without, after it with the revocation.

    In the tick of the store it may have done both. A witness that restarts has what it stored (unless it forgets).
    """
    stored_at = schedule.stored_at
    for issued in range(tick + 1):
        if stored_at is None or issued <= stored_at or rules.forgets_on_restart:
            yield issued, False
        if stored_at is not None and issued >= stored_at:
            yield issued, True


def _knowledge(rules: Rules, schedule: Schedule, tick: int) -> Iterator[Knowledge]:
    """All that a host can know of one witness at one tick. Without a round trip a heartbeat tells it nothing."""
    yield Knowledge(None, None)
    for heartbeat in _heartbeats(rules, schedule, tick):
        for asked in range(tick + 1):
            for answered in range(asked, min(tick, asked + rules.longest_round_trip) + 1):
                yield Knowledge((asked, answered), heartbeat)


def _grants(rules: Rules, schedules: Sequence[Schedule], tick: int, found: Found) -> frozenset[float]:
    """Every lease that a host can hold at one tick: the instants on its clock at which they end."""
    now = tick * rules.rates.host
    by_witness: list[dict[float | None, Knowledge]] = []
    for schedule in schedules:
        # Knowledge that alone gives the same lease gives the same lease together with anything.
        distinct: dict[float | None, Knowledge] = {}
        for known in _knowledge(rules, schedule, tick):
            found.cases += 1
            distinct.setdefault(_until(rules, [known], now, needs=1), known)
        by_witness.append(distinct)
    grants = set()
    for triple in itertools.product(*(each.values() for each in by_witness)):
        found.cases += 1
        until = _until(rules, triple, now, needs=rules.needs)
        if until is not None:
            grants.add(until)
    return frozenset(grants)


def _until(rules: Rules, known: Sequence[Knowledge], now: float, *, needs: int) -> float | None:
    """The end of the lease by the production code."""
    # As many witnesses as make `needs` of them a majority; those without knowledge fill up.
    size = {1: 1, 2: 3}[needs]
    best = known if len(known) <= size else _best_alone(rules, known, now)
    electorate = Electorate.of(ELECTORATE.witnesses[:size])
    keeper = LeaseKeeper(
        LeaseSettings(
            host=HOST,
            electorate=electorate,
            duration=float(rules.lease),
            drift=rules.drift if rules.counts_drift else 0.0,
        )
    )
    for name, one in zip(electorate.witnesses, best, strict=False):
        if one.trip is None or one.heartbeat is None:
            continue
        (asked, answered), (issued, revokes) = one.trip, one.heartbeat
        asked_at = now / rules.rates.host if rules.dates_by_receipt else asked
        issued_at = now / rules.rates.witness if rules.ages_from_arrival else issued
        heartbeat = make_heartbeat(
            name,
            BOOT,
            clock=issued_at * rules.rates.witness,
            electorates=(electorate.id,),
            revoked=[HOST] if revokes and not rules.ignores_revocations else [],
        )
        keeper.handle_round_trip(
            name, BOOT, shown=answered * rules.rates.witness, asked_at=asked_at * rules.rates.host, now=now
        )
        keeper.handle_heartbeat(Network.MANAGEMENT, heartbeat, now)
    return keeper.until(now)


def _best_alone(rules: Rules, known: Sequence[Knowledge], now: float) -> list[Knowledge]:
    """The one witness whose word would be enough, for the mutation by which one is."""
    return [max(known, key=lambda one: _until(rules, [one], now, needs=1) or float("-inf"))]


def _search_feeder(
    rules: Rules, t0: int, grants: Sequence[frozenset[float]], schedules: Sequence[Schedule], found: Found
) -> None:
    """Search grants, checks, pauses, feeds and kills.

    A state: the grant, whether it was found valid and the feed is to come, the tick of the last feed, and whether the
    device is open (a killed feeder's successor has not opened it yet).
    """
    states: set[tuple[float | None, bool, int, bool]] = {(None, False, 0, True)}
    for tick in range(rules.last_tick + 1):
        now = tick * rules.rates.host
        todo = list(states)
        while todo:
            grant, is_checked, fed_at, is_open = todo.pop()
            found.cases += 1
            after = [(given, is_checked, fed_at, is_open) for given in grants[tick]]
            if not is_checked and grant is not None and now < grant:
                after.append((grant, True, fed_at, is_open))
            feeds = []
            if is_checked:
                feeds.append((grant, False, tick, True))
            if is_open:
                feeds.append((None, False, tick, False))  # Killed.
            if feeds:
                # It is fed now; the device fires a whole timeout later.
                after += feeds
                death = (tick + rules.watchdog / rules.rates.device - t0) * rules.rates.controller
                found.latest = max(found.latest, death)
                if death > rules.wait + SLACK:
                    found.violation = f"fed at tick {tick}, t0 = {t0}, {schedules}"
                    return
            for state in after:
                if state not in states:
                    states.add(state)
                    todo.append(state)
        # The device fires when it was not fed for longer than its timeout.
        states = {one for one in states if (tick + 1 - one[2]) * rules.rates.device <= rules.watchdog}


def describe(found: Found, rules: Rules) -> str:
    """One line for a person."""
    what = "no violation" if found.violation is None else f"VIOLATED: {found.violation}"
    return (
        f"{found.schedules} schedules, {found.cases} cases; latest death {found.latest:.3f} ticks after t0, "
        f"allowed {rules.wait:.3f}; {what}"
    )
