"""One caller's fresh look: witnesses and accused are asked now, and waited for until enough answered or time is up.

It has no clock and no loop: whoever carries it calls `step` at once and again each `LOOK_INTERVAL`, until it says that
the look is over.
"""

from collections.abc import Callable, Sequence

from ceilo_gossip.agent.watch import ANSWER_INTERVAL, Watch
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.judge import Judge

FRESH_WAIT = 0.6  # Seconds the witnesses get to answer a caller's question; the caller waits 2 s in all.
LOOK_INTERVAL = ANSWER_INTERVAL / 2  # Seconds between two steps.

Carry = Callable[[Callable[[float], None]], None]


class FreshLook:
    """`carry` does one step of the watch and arms the agent's timer for the next."""

    def __init__(
        self, judge: Judge, watch: Watch, carry: Carry, *, hosts: Sequence[str] | None, asked_at: float
    ) -> None:
        """hosts: those the caller wants to know about, None for all."""
        self._judge = judge
        self._watch = watch
        self._carry = carry
        self._hosts = hosts
        self._has_asked = False
        self.asked_at = asked_at

    def step(self, now: float) -> bool:
        """Ask, then look for answers; whether the look is over, so that the caller can be answered."""
        if self._has_asked:
            self._carry(self._watch.handle_timer)
        else:
            self._carry(lambda now: self._watch.ask_now(now, self._hosts))
        self._has_asked = True
        is_held = all(self._judge.is_held_since(network, self.asked_at) for network in Network)
        return is_held or now >= self.asked_at + FRESH_WAIT
