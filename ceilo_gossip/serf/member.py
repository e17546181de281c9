"""A member of a pool as the layers above see it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address


@dataclass(frozen=True, slots=True)
class Member:
    """What is known of one member at one instant; instants are monotonic seconds.

    tags: as it announced them, at most 512 bytes in all.
    state: LEFT covers an announced leave that ended in silence; only DEAD is a failure.
    changed_at: when `state` last changed.
    last_ack_at: it answered us directly after this instant. It is the time at which the answered ping was *sent*, so
        it understates the freshness by at most one round trip and never overstates it. None: no answer yet.
    round_trip: seconds, of that ping. None: no answer yet.
    suspected_at: when its present (or, while DEAD, its last) suspicion started. None: never suspected, or refuted.
    """

    name: str
    address: Address
    tags: Mapping[str, str]
    state: MemberState
    incarnation: int
    changed_at: float
    last_ack_at: float | None
    round_trip: float | None
    suspected_at: float | None
