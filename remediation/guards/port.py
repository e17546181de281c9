"""The port that every guard implements, and what it is told.

A guard is built from `GuardContext`, keeps what it wants to remember itself, and may be called from several threads. It
answers at once: it looks at what it is given and asks nobody. A guard that raises is a fault of ours; the answer is
then no ALLOW, because the incident's step fails.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from ceilo_gossip.contract.networks import Network
from remediation.incident.facts import Decision, GuardAnswer
from remediation.incident.states import State

NAMESPACE: Final = "remediation.guards"
SHIPPED: Final = frozenset({"own_host", "storm"})  # Entry points of an old installation may lack one of them.


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GuardContext:
    """What a guard is built from.

    own_host      Nova host name of the host this engine runs on
    storm_hosts   so many hosts that lose the same network together are an outage of that network
    storm_window  seconds between the first and the last of them
    """

    own_host: str
    storm_hosts: int
    storm_window: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One host with an open incident, as this engine has come to know it.

    host        Nova host name
    state       where its incident stands
    lost_since  for each network that is lost: when this engine learned of it, seconds on its monotonic clock
    """

    host: str
    state: State
    lost_since: Mapping[Network, float]


class Guard(Protocol):
    """A reason not to fence."""

    def judge(self, host: str, troubles: Sequence[Trouble], *, now: float) -> tuple[Decision, str]:
        """Return whether `host`, one of `troubles`, may be fenced now, and the sentence an operator reads.

        `now` is on the clock of `Trouble.lost_since`.
        """


def ask(guards: Iterable[Guard], host: str, troubles: Sequence[Trouble], *, now: float) -> GuardAnswer:
    """Return the strictest answer of all guards; with several of one kind, all their reasons."""
    answers = [guard.judge(host, troubles, now=now) for guard in guards]
    for decision in (Decision.REFUSE, Decision.HOLD):
        reasons = [reason for found, reason in answers if found is decision]
        if reasons:
            return GuardAnswer(decision, "; ".join(reasons), now)
    return GuardAnswer(Decision.ALLOW, "", now)


class GuardError(Exception):
    """Guards that cannot be loaded: an engine without its guards must not start."""


def load(context: GuardContext) -> list[Guard]:
    """Return every installed guard. Raises GuardError naming those that cannot be used."""
    from stevedore import extension  # Here, because scanning the installed packages is slow and tests do without.

    faults: list[str] = []
    found: Any = extension.ExtensionManager(
        NAMESPACE,
        invoke_on_load=True,
        invoke_args=(context,),
        on_load_failure_callback=lambda _, entry_point, error: faults.append(f"{entry_point.name} ({error})"),
    )
    if faults:
        raise GuardError(f"guards that cannot be used: {', '.join(sorted(faults))}; install or remove them")
    if missing := SHIPPED - set(found.names()):
        names = ", ".join(sorted(missing))
        raise GuardError(f"guards that this package brings are not installed: {names}; install the package again")
    return [each.obj for each in sorted(found, key=lambda each: each.name)]
