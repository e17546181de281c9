"""The storm guard: many hosts that lose the same network together have not all failed; the network has.

Fencing them would turn an outage of a switch or of a storage into an outage of every instance.
"""

import dataclasses
from collections.abc import Sequence

from ceilo_gossip.contract.networks import Network
from remediation.guards.port import GuardContext, Trouble
from remediation.incident.facts import Decision
from remediation.incident.states import State


@dataclasses.dataclass(frozen=True, slots=True)
class _Storm:
    """These hosts lost a network together; it was last seen so at `at`, seconds on the engine's monotonic clock."""

    hosts: frozenset[str]
    at: float


class StormGuard:
    """Holds a host when, for one of its lost networks, too many hosts lost that network within the window around it.

    Hosts that were fenced already count as long as their incident is open: they lost the network too. A host that is
    held counts for as long as it is held, so that a storm is not forgotten while it lasts. One that waits for a person
    (escalated) is a failure of its own and counts for nothing.

    When an outage ends, gossip sees its hosts again one after the other, over some seconds. Those that are seen last
    are too few to be a storm, and as healthy as the others. So whoever was part of a storm is held until no storm of
    that network was seen for the length of the window.
    """

    def __init__(self, context: GuardContext) -> None:
        self._most = context.storm_hosts
        self._window = context.storm_window
        # One for each network. Threads replace it whole; one that overwrites another's saw the storm as well.
        self._storms: dict[Network, _Storm] = {}

    def judge(self, host: str, troubles: Sequence[Trouble], *, now: float) -> tuple[Decision, str]:
        """Return HOLD while the storm lasts or has just ended, else ALLOW."""
        own = next((trouble for trouble in troubles if trouble.host == host), None)
        if own is None:
            return Decision.ALLOW, ""
        reasons = [self._look(own, network, troubles, now) for network in own.lost_since]
        found = next((reason for reason in reasons if reason), "")
        return (Decision.HOLD, found) if found else (Decision.ALLOW, "")

    def _look(self, own: Trouble, network: Network, troubles: Sequence[Trouble], now: float) -> str:
        """Return why the host is held for `network`, or ""."""
        since = own.lost_since[network]
        together = sorted(
            trouble.host
            for trouble in troubles
            if network in trouble.lost_since and self._counts(trouble, network, since)
        )
        before = self._storms.get(network)
        is_recent = before is not None and now < before.at + self._window
        if len(together) >= self._most:
            hosts = frozenset(together) | (before.hosts if before is not None and is_recent else frozenset())
            self._storms[network] = _Storm(hosts, now)
            return (
                f"{len(together)} hosts ({', '.join(together)}) lost {network} within {self._window:g} s: this looks "
                "like a switch or a storage outage; approve the incident to fence this host all the same"
            )
        if before is not None and is_recent and own.host in before.hosts:
            return (
                f"it was one of {len(before.hosts)} hosts that lost {network} together, and the outage seems to end: "
                f"it has {self._window:g} s to be seen again; approve the incident to fence it at once"
            )
        return ""

    def _counts(self, trouble: Trouble, network: Network, since: float) -> bool:
        is_near = abs(trouble.lost_since[network] - since) <= self._window
        return trouble.state is State.HELD or (is_near and trouble.state is not State.ESCALATED)
