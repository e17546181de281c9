"""The storm guard: many hosts that lose the same network together have not all failed; the network has.

Fencing them would turn an outage of a switch or of a storage into an outage of every instance.
"""

from collections.abc import Sequence

from ceilo_gossip.contract.networks import Network
from remediation.guards.port import GuardContext, Trouble
from remediation.incident.facts import Decision
from remediation.incident.states import State


class StormGuard:
    """Holds a host when, for one of its lost networks, too many hosts lost that network within the window around it.

    Hosts that were fenced already count as long as their incident is open: they lost the network too. A host that is
    held counts for as long as it is held, so that a storm is not forgotten while it lasts. One that waits for a person
    (escalated) is a failure of its own and counts for nothing.
    """

    def __init__(self, context: GuardContext) -> None:
        self._most = context.storm_hosts
        self._window = context.storm_window

    def judge(self, host: str, troubles: Sequence[Trouble]) -> tuple[Decision, str]:
        """Return HOLD while the storm lasts, else ALLOW."""
        own = next((trouble for trouble in troubles if trouble.host == host), None)
        for network, since in own.lost_since.items() if own is not None else ():
            others = sorted(
                trouble.host
                for trouble in troubles
                if network in trouble.lost_since and self._counts(trouble, network, since)
            )
            if len(others) >= self._most:
                reason = (
                    f"{len(others)} hosts ({', '.join(others)}) lost {network} within {self._window:g} s: this looks "
                    "like a switch or a storage outage; approve the incident to fence this host all the same"
                )
                return Decision.HOLD, reason
        return Decision.ALLOW, ""

    def _counts(self, trouble: Trouble, network: Network, since: float) -> bool:
        is_near = abs(trouble.lost_since[network] - since) <= self._window
        return trouble.state is State.HELD or (is_near and trouble.state is not State.ESCALATED)
