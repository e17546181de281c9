"""Decides which conclusions this member tells, and when: at each change, again while the host is bad, once when good.

Every member runs it over the same conclusions; only the speakers of a host (`speakers`) say anything about it. A member
that becomes a speaker of a bad host tells it as a change of its own, so that the death of a speaker loses nothing.
UNKNOWN is silence: a host that was told bad and is now UNKNOWN is neither repeated nor called good.
"""

import collections
import dataclasses
from collections.abc import Iterable

from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.health.conclusion import Conclusion
from ceilo_gossip.health.settings import AnnouncerSettings
from ceilo_gossip.health.speakers import speakers


@dataclasses.dataclass(frozen=True, slots=True)
class Announce:
    """Report `conclusion`; `repeat` is 0 for a change, then 1, 2, ... while the host stays bad."""

    conclusion: Conclusion
    repeat: int


@dataclasses.dataclass(slots=True)
class _Topic:
    """What is concluded about one host, and what of it was told by us."""

    conclusion: Conclusion
    told_down: frozenset[Network] = frozenset()  # Told bad, and not yet told good again.
    repeat: int = 0
    repeat_at: float | None = None


class Announcer:
    """One per agent."""

    def __init__(self, settings: AnnouncerSettings) -> None:
        self._settings = settings
        self._topics: dict[str, _Topic] = {}
        self._candidates: frozenset[str] = frozenset()
        self._announcements: collections.deque[Announce] = collections.deque()

    def handle_conclusion(self, conclusion: Conclusion, now: float) -> None:
        """The judge concluded anew."""
        topic = self._topics.setdefault(conclusion.host, _Topic(conclusion))
        topic.conclusion = conclusion
        if conclusion.is_bad:
            topic.repeat_at = None
            self._tell_if_ours(topic, now)
            return
        topic.repeat_at = None
        if topic.told_down and all(conclusion.networks[n] is NetworkState.UP for n in topic.told_down):
            topic.told_down = frozenset()
            self._announcements.append(Announce(conclusion, 0))

    def handle_candidates(self, candidates: Iterable[str], now: float) -> None:
        """Other members may speak than before: take up, or lay down, the hosts that are bad."""
        new = frozenset(candidates)
        if new == self._candidates:
            return
        self._candidates = new
        for topic in self._topics.values():
            if not topic.conclusion.is_bad:
                continue
            if not self.speaks_for(topic.conclusion.host):
                topic.repeat_at = None
                topic.told_down = frozenset()
            elif topic.repeat_at is None:
                self._tell_if_ours(topic, now)

    def handle_timer(self, now: float) -> None:
        """Repeat what is due."""
        for topic in self._topics.values():
            if topic.repeat_at is not None and now >= topic.repeat_at:
                topic.repeat += 1
                topic.repeat_at = now + self._settings.repeat_interval
                self._announcements.append(Announce(topic.conclusion, topic.repeat))

    def get_timer(self) -> float | None:
        """The next instant at which something is to be repeated."""
        return min((t.repeat_at for t in self._topics.values() if t.repeat_at is not None), default=None)

    def next_event(self) -> Announce | None:
        """Return the oldest announcement not yet taken, or None."""
        return self._announcements.popleft() if self._announcements else None

    def speaks_for(self, host: str) -> bool:
        """Whether this member is one of the host's speakers."""
        return self._settings.own in self.speakers_for(host)

    def speakers_for(self, host: str) -> tuple[str, ...]:
        """Return who speaks for the host, as far as this member sees."""
        return speakers(host, self._candidates, count=self._settings.speakers)

    def networks_told_down(self) -> frozenset[Network]:
        """The networks from which we are telling bad news: the judge must keep its quorum there under watch."""
        told = [t.conclusion.down for t in self._topics.values() if t.repeat_at is not None]
        return frozenset().union(*told)

    def _tell_if_ours(self, topic: _Topic, now: float) -> None:
        if not self.speaks_for(topic.conclusion.host):
            return
        topic.told_down = topic.conclusion.down
        topic.repeat = 0
        topic.repeat_at = now + self._settings.repeat_interval
        self._announcements.append(Announce(topic.conclusion, 0))
