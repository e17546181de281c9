"""Carries facts between the pools, the judge, the announcer and the reporter; decides nothing itself.

It has the shape of a pure machine (handle_*(now), get_timer()), so that its tests need no event loop; the agent calls
it and arms one timer.
"""

import datetime
from collections.abc import Callable, Iterable, Mapping

from oslo_log import log

from ceilo_gossip.agent.port import PoolPort
from ceilo_gossip.contract.messaging import EVENT_TOPIC, EVENT_TYPE_HEALTH
from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.contract.verdict import to_payload
from ceilo_gossip.health.announcer import Announce, Announcer
from ceilo_gossip.health.events import AskHost, AskWitnesses, Concluded, JudgeEvent, LateLeave, QuorumMoved
from ceilo_gossip.health.judge import Judge
from ceilo_gossip.health.quorum import QuorumPhase
from ceilo_gossip.health.sighting import Presence, Sighting
from ceilo_gossip.report.outbox import Report
from ceilo_gossip.report.verdicts import to_verdict

LOG = log.getLogger(__name__)

ANSWER_INTERVAL = 0.05  # Seconds between looks for answers while witnesses are being asked: a few round trips of a LAN.
KEEP_INTERVAL = 0.25  # The same while they only keep, or might bring back, a quorum; asked for once a second.
MAX_ROUNDS = 1000  # The judge and the announcer feed each other; that they come to rest is asserted.


class Watch:
    """`submit` takes each report over; `wall` reads the wall clock; `tell` hears what the judge has to say."""

    def __init__(
        self,
        *,
        own: str,
        project_id: str,
        witnesses: frozenset[str],
        pools: Mapping[Network, PoolPort],
        judge: Judge,
        announcer: Announcer,
        submit: Callable[[Report], None],
        wall: Callable[[], datetime.datetime],
        tell: Callable[[JudgeEvent], None] = lambda event: None,
    ) -> None:
        self._own = own
        self._project_id = project_id
        self._witnesses = witnesses
        self._pools = pools
        self._judge = judge
        self._announcer = announcer
        self._submit = submit
        self._wall = wall
        self._tell = tell
        self._sequence = 0
        self._look_at: float | None = None

    def handle_member(self, network: Network, name: str, now: float) -> None:
        """Something changed about `name` in the pool of `network`."""
        sighting = self._pools[network].sighting(name)
        if sighting is not None:
            self._judge.handle_sighting(sighting, now)
        self._carry(now)

    def handle_left(self, network: Network, name: str, left_at: float, now: float) -> None:
        """The pool of `network` calls a member left; it may have been told to forget it at once."""
        sighting = self._pools[network].sighting(name)
        if sighting is None:
            sighting = Sighting(host=name, network=network, presence=Presence.LEFT, changed_at=left_at)
        self._judge.handle_sighting(sighting, now)
        self._carry(now)

    def handle_timer(self, now: float) -> None:
        """Let time pass, and look for answers."""
        self.take_answers(now)
        self._judge.handle_timer(now)
        self._announcer.handle_timer(now)
        self._carry(now)

    def get_timer(self) -> float | None:
        """The next instant at which `handle_timer` has something to do."""
        instants = (self._judge.get_timer(), self._announcer.get_timer(), self._look_at)
        return min((instant for instant in instants if instant is not None), default=None)

    def ask_now(self, now: float, hosts: Iterable[str] | None = None) -> None:
        """Ask the witnesses on every network at once, and those of `hosts` (None: of all) that are thought dead."""
        self._judge.ask_now(now, hosts)
        self._carry(now)

    def take_answers(self, now: float) -> None:
        """Hand to the judge what members have answered."""
        for network, pool in self._pools.items():
            for name, asked_at in pool.take_answers().items():
                self._judge.handle_answer(network, name, asked_at=asked_at, now=now)

    def _carry(self, now: float) -> None:
        """Let every event take effect, until nothing more happens."""
        for _ in range(MAX_ROUNDS):
            if not self._carry_round(now):
                break
        else:
            raise AssertionError(f"the judge and the announcer did not come to rest in {MAX_ROUNDS} rounds")
        self._look_at = self._next_look(now)

    def _next_look(self, now: float) -> float | None:
        """Soon while a decision waits for answers, now and then while they only keep a quorum, else not at all."""
        phases = {self._judge.phase(network) for network in self._pools}
        if QuorumPhase.ASKING in phases or self._judge.is_waiting:
            return now + ANSWER_INTERVAL
        return now + KEEP_INTERVAL if phases - {QuorumPhase.RESTING} else None

    def _carry_round(self, now: float) -> bool:
        is_busy = False
        while (event := self._judge.next_event()) is not None:
            self._apply(event, now)
            is_busy = True
        self._announcer.handle_candidates(self._judge.candidates(), now)
        while (announcement := self._announcer.next_event()) is not None:
            self._report(announcement, now)
            is_busy = True
        self._judge.watch(self._announcer.networks_told_down(), now)
        return is_busy

    def _apply(self, event: JudgeEvent, now: float) -> None:
        self._tell(event)
        match event:
            case AskWitnesses(network):
                for witness in sorted(self._witnesses - {self._own}):
                    self._pools[network].probe(witness)
            case AskHost(network, host):
                self._pools[network].probe(host)
            case QuorumMoved(network, before, after):
                _log_quorum(network, before, after)
            case LateLeave(network, host):
                LOG.warning(
                    "%s is called left on %s after it was found DOWN, by a force-leave: its verdict stays",
                    host,
                    network,
                )
            case Concluded(conclusion):
                _log_conclusion(event)
                self._announcer.handle_conclusion(conclusion, now)

    def _report(self, announcement: Announce, now: float) -> None:
        self._sequence += 1
        verdict = to_verdict(
            announcement.conclusion,
            speaker=self._own,
            sequence=self._sequence,
            repeat=announcement.repeat,
            now=now,
            wall=self._wall(),
        )
        payload = to_payload(verdict, project_id=self._project_id)
        self._submit(Report(verdict.host, announcement.repeat > 0, EVENT_TOPIC, EVENT_TYPE_HEALTH, payload))


def _log_quorum(network: Network, before: QuorumPhase, after: QuorumPhase) -> None:
    if after is QuorumPhase.LOST:
        LOG.warning(
            "Too few witnesses answer on %s: every other host is UNKNOWN there, our own link may be broken", network
        )
    elif before is QuorumPhase.LOST:
        LOG.info("A majority of witnesses answers on %s again", network)


def _log_conclusion(event: Concluded) -> None:
    """One line per change that a person cares about; a host that appears healthy is none."""
    before = event.before
    was_bad = before is not None and before.is_bad
    if event.conclusion.is_bad:
        LOG.warning("%s %s", event.conclusion.host, event.conclusion.reason)
    elif was_bad or NetworkState.UNKNOWN in event.conclusion.networks.values():
        LOG.info("%s %s", event.conclusion.host, event.conclusion.reason)
