"""What the judge and the announcer are told by the operator; impossible combinations cannot exist."""

import dataclasses

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.quorum import QuorumSettings


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """How this host judges the others.

    own            this host's name; nobody judges itself
    run            a word unique to this run of the agent; verdict ids start with it
    networks       the networks on which this host takes part in a pool
    settle_max     how long a host's other networks may keep a first DOWN waiting, seconds
    absence_grace  how long a host may be missing from a pool it says it is in before that counts, seconds
    answer_grace   how long a host that the pool gave up may take to answer us all the same, seconds
    answer_lifetime  how long such an answer speaks for the host, seconds
    """

    own: str
    run: str
    networks: frozenset[Network]
    quorum: QuorumSettings
    settle_max: float = 3.0
    absence_grace: float = 60.0
    answer_grace: float = 0.5  # memberlist's probe timeout on a LAN, several hundred round trips.
    answer_lifetime: float = 12.0  # Within it the pool dials a failed member (10 s), and sees it alive if it is.

    def __post_init__(self) -> None:
        if not self.networks:
            raise ValueError("a judge needs at least one network")
        if self.settle_max < 0 or min(self.absence_grace, self.answer_grace, self.answer_lifetime) <= 0:
            raise ValueError("settle_max must not be negative, the graces and answer_lifetime must be positive")
        if self.quorum.own != self.own:
            raise ValueError("the judge and its quorum disagree on this host's name")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncerSettings:
    """`own` is this host; `speakers` members tell each verdict, again each `repeat_interval` seconds while bad."""

    own: str
    speakers: int = 2
    repeat_interval: float = 30.0

    def __post_init__(self) -> None:
        if self.speakers < 1 or self.repeat_interval <= 0:
            raise ValueError("at least one speaker is needed, and a positive repeat interval")
