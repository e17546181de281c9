"""Whatever the order in which heartbeats and round trips of a witness arrive, the host concludes the same.

This is what lets `lease_model` enumerate what a host can know instead of every order in which it may have learned it.
"""

import itertools

from ceilo_gossip.contract.electorate import Electorate
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.lease.heartbeat import make_heartbeat
from ceilo_gossip.lease.lease import LeaseKeeper, LeaseSettings

ELECTORATE = Electorate.of(["ctl-1"])
BOOT = bytes(16)
NOW = 20.0
L = 10.0

Event = tuple[str, float, float | bool]
# Heartbeats as (issued, revokes), round trips as (asked, answered); the witness's clock is ours.
HEARTBEATS: list[Event] = [("beat", 11.0, False), ("beat", 13.0, False), ("beat", 15.0, True), ("beat", 16.0, False)]
TRIPS: list[Event] = [("trip", 10.0, 12.0), ("trip", 14.0, 14.5), ("trip", 17.0, 20.0)]


def learn(events: tuple[Event, ...]) -> float | None:
    keeper = LeaseKeeper(LeaseSettings(host="cmp-1", electorate=ELECTORATE, duration=L, drift=0.0))
    for kind, first, second in events:
        if kind == "beat":
            revoked = ["cmp-1"] if second else []
            heartbeat = make_heartbeat("ctl-1", BOOT, clock=first, electorates=(ELECTORATE.id,), revoked=revoked)
            keeper.handle_heartbeat(Network.STORAGE, heartbeat, NOW)
        else:
            keeper.handle_round_trip("ctl-1", BOOT, shown=float(second), asked_at=first, now=NOW)
    return keeper.until(NOW)


def expected(events: tuple[Event, ...]) -> float | None:
    beats = [event for event in events if event[0] == "beat"]
    offsets = [float(answered) - asked for kind, asked, answered in events if kind == "trip"]
    if not beats or not offsets:
        return None
    _, issued, revokes = max(beats, key=lambda event: event[1])
    end = issued + L - min(offsets)
    return None if revokes or end <= NOW else end


def test_every_order_of_every_selection_gives_what_the_newest_and_the_best_give() -> None:
    orders = 0
    for count in range(1, 6):
        for events in itertools.permutations([*HEARTBEATS, *TRIPS], count):
            assert learn(events) == expected(events), events
            orders += 1
    assert orders > 3000
