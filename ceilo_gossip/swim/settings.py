"""How fast one pool probes, gossips and gives up: memberlist's three profiles, so that pools can be mixed, and our own.

Members of one pool may have different profiles. Each probes, and waits for a refutation, at its own pace; who gives a
member up first tells the others. So a pool is as quick, and as ready to err, as its quickest members.
"""

import math
from dataclasses import dataclass, fields, replace

_MAY_BE_ZERO = ("indirect_checks", "reclaim_after")


@dataclass(frozen=True, slots=True)
class SwimSettings:
    """The figures of one pool. All lengths are seconds. `ValueError` for a combination that cannot work.

    probe_interval: one member is probed in each; scaled by our awareness while a probe fails.
    probe_timeout: wait for a direct ack before others are asked; scaled likewise (Lifeguard, section IV-A; memberlist
        leaves it unscaled).
    indirect_checks: members asked to ping a silent one on our behalf.
    retransmit_multiplier: a broadcast is sent this often times ceil(log10(members + 1)).
    suspicion_multiplier: shortest suspicion is this times max(1, log10(members)) times probe_interval.
    suspicion_max_multiplier: the longest suspicion in shortest ones.
    awareness_limit: our health score is 0 .. this - 1.
    gossip_interval, gossip_targets: queued broadcasts go to so many random members in each interval.
    gossip_to_the_dead: the dead are told for so long what is said of them (so that they can refute), then forgotten.
    reclaim_after: the name of a member that has been dead for so long may be taken over by another address, for that
        of a host that is set up anew or has changed its card. 0: not until it is forgotten, as in memberlist, where a
        pool of 1000 takes 17 minutes for it (one pass of probes) and one of 20 half a minute. We do as the small pool
        does: who is dead for longer than `gossip_to_the_dead` has had all chances to say that it is not.
    push_pull_interval: full states are exchanged with a random member; longer in pools above 32 members.
    stream_timeout: an exchange over TCP, from dialling to the last byte.
    nack_fraction: a relay says "no answer" after this part of probe_timeout. The paper's 0.8 lets the nack arrive
        before the prober's deadline; memberlist's 1.0 mostly does not.
    datagram_limit: bytes of a packet before encryption, so that it fits an Ethernet frame.
    tells_suspects_first: a suspect is told of its suspicion with the next ping (Lifeguard's buddy system).
    forgives_stalls: after a standstill of our own nobody is blamed for it.
    doubts_deaths: another's word that a member is dead is at first one more doubt. These three are off only where
        their worth is measured.
    """

    probe_interval: float
    probe_timeout: float
    indirect_checks: int
    retransmit_multiplier: int
    suspicion_multiplier: int
    gossip_interval: float
    gossip_targets: int
    gossip_to_the_dead: float
    reclaim_after: float
    push_pull_interval: float
    stream_timeout: float
    suspicion_max_multiplier: int = 6
    awareness_limit: int = 8
    nack_fraction: float = 0.8
    datagram_limit: int = 1400
    tells_suspects_first: bool = True
    forgives_stalls: bool = True
    doubts_deaths: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool):
                continue
            if not math.isfinite(value) or value < 0 or (value == 0 and field.name not in _MAY_BE_ZERO):
                raise ValueError(f"{field.name} is {value}; it must be above 0 and finite")
        if self.probe_timeout >= self.probe_interval:
            raise ValueError(
                f"probe_timeout {self.probe_timeout} leaves no time for indirect pings within "
                f"probe_interval {self.probe_interval}"
            )
        if self.nack_fraction > 1:
            raise ValueError(f"nack_fraction is {self.nack_fraction}; a nack after the timeout tells nothing")
        if not 512 <= self.datagram_limit <= 65000:
            raise ValueError(f"datagram_limit is {self.datagram_limit}; it must be within 512..65000")

    @classmethod
    def lan(cls) -> "SwimSettings":
        """memberlist's DefaultLANConfig: hosts of one site."""
        return cls(
            probe_interval=1.0,
            probe_timeout=0.5,
            indirect_checks=3,
            retransmit_multiplier=4,
            suspicion_multiplier=4,
            gossip_interval=0.2,
            gossip_targets=3,
            gossip_to_the_dead=30.0,
            reclaim_after=30.0,
            push_pull_interval=30.0,
            stream_timeout=10.0,
        )

    @classmethod
    def compute(cls) -> "SwimSettings":
        """Our own: hosts of one site whose agents run with priority, where each second of a dead host counts.

        It notices a death after 4 s in a pool of 10 and 10 s in one of 1,000, where `lan` takes 5.5 and 15, and is no
        more easily deceived by lost packets (doc/source/gossip-scale.rst has the measurements). Its price: twice the
        packets of an idle member, and a process that stands still is given up earlier, after 3.5 s instead of 5.

        probe_interval 0.5: the one figure that all waits are multiples of. A dead member is asked, and a second time
            through others, in half the time.
        probe_timeout 0.25: fifty round trips of 5 ms, which one site does not have; half of the interval as in `lan`,
            so that relays have as long as the first ping.
        suspicion_multiplier 6: not 4, for then a host that stands still for 2.5 s would be given up. With 6 the
            shortest suspicion is 3 s instead of `lan`'s 4, in which a refutation crosses the pool 20 times, and it
            needs five accusers instead of three, so that several members with a broken view cannot hurry it.
        Everything else is `lan`'s: gossip every 0.2 s with 3 members reaches 1,000 within 2 s at worst and needs no
            haste; 3 relays make a loss of all answers unlikely (0.3 ** 6 at a loss of 30 %) and more only cost;
            push/pulls, tombstones and the deadline of streams have to do with partitions and not with deaths.
        """
        return replace(cls.lan(), probe_interval=0.5, probe_timeout=0.25, suspicion_multiplier=6)

    @classmethod
    def wan(cls) -> "SwimSettings":
        """memberlist's DefaultWANConfig: hosts of several sites."""
        return cls(
            probe_interval=5.0,
            probe_timeout=3.0,
            indirect_checks=3,
            retransmit_multiplier=4,
            suspicion_multiplier=6,
            gossip_interval=0.5,
            gossip_targets=4,
            gossip_to_the_dead=60.0,
            reclaim_after=60.0,
            push_pull_interval=60.0,
            stream_timeout=30.0,
        )

    @classmethod
    def local(cls) -> "SwimSettings":
        """memberlist's DefaultLocalConfig: one machine, loopback."""
        return cls(
            probe_interval=1.0,
            probe_timeout=0.2,
            indirect_checks=1,
            retransmit_multiplier=2,
            suspicion_multiplier=3,
            gossip_interval=0.1,
            gossip_targets=3,
            gossip_to_the_dead=15.0,
            reclaim_after=15.0,
            push_pull_interval=15.0,
            stream_timeout=1.0,
        )
