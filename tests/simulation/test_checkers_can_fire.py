"""Each checker fires when the production code no longer keeps its promise: a mutation for each, and a script for it.

A world with the same script and the code as it is breaks nothing, so that it is the mutation that is found.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from ceilo_gossip.agent.watch import Watch
from ceilo_gossip.health.announcer import Announcer
from ceilo_gossip.health.quorum import Quorum
from ceilo_gossip.serf.joining import Joining
from remediation.evacuation import planner
from remediation.fencing.evidence import Evidence
from remediation.fencing.ladder import Ladder
from remediation.guards.storm import StormGuard
from remediation.incident import confirm
from remediation.incident.facts import Decision
from remediation.store.store import Recorded, Store
from remediation.workflow import agents
from remediation.workflow.carrier import Carrier
from tests.simulation.world import checkers
from tests.simulation.world.checkers import Kind, Violation
from tests.simulation.world.cluster import from_mapping
from tests.simulation.world.faults import Step
from tests.simulation.world.world import NOON, World

Mutate = Callable[[pytest.MonkeyPatch], None]


def _without_evidence(patch: pytest.MonkeyPatch) -> None:
    """The ladder believes that the host is off without asking anybody."""
    patch.setattr(
        Ladder,
        "fence",
        lambda self, host, seconds: Evidence(
            host=host, method="faith", statement="it will be", observed_at=NOON.isoformat()
        ),
    )


def _without_quorum(patch: pytest.MonkeyPatch) -> None:
    """Every observer trusts its own view, and one of them is enough."""
    patch.setattr(Quorum, "is_held_since", lambda self, instant: True)
    patch.setattr(confirm, "_winner", lambda votes, majority, real=confirm._winner: real(votes, 1))
    patch.setattr(agents, "is_decided", lambda electorate, answers: len(answers) == len(electorate))


def _without_storm_guard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StormGuard, "judge", lambda self, host, troubles, *, now: (Decision.ALLOW, ""))


def _forgetting_calls(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Store, "_record_call", lambda self, call: Recorded("lost", is_new=True, is_duplicate=False))


def _asking_twice(patch: pytest.MonkeyPatch) -> None:
    """The planner takes an accepted evacuation for one that is still to be asked for, and does not look."""
    again = {"phase": planner.Phase.WAITING, "next_at": 0.0}
    patch.setattr(planner, "accepted", lambda record: dataclasses.replace(record, **again))
    patch.setattr(planner, "observe", lambda record, instance, migrations, settings, now: record)


def _with_a_fault(patch: pytest.MonkeyPatch) -> None:
    def verify(*arguments: Any) -> None:
        raise KeyError("an ordinary mistake")

    patch.setattr(Carrier, "_verify", verify)


def _in_a_loop(patch: pytest.MonkeyPatch) -> None:
    """The watch always has something to do, a moment later."""

    def get_timer(self: Watch, real: Callable[[Watch], float | None] = Watch.get_timer) -> float | None:
        last = getattr(self, "_mutant_at", 0.0)
        self._mutant_at = max(last, self._mutant_now) + 0.0002  # type: ignore[attr-defined]
        return self._mutant_at  # type: ignore[attr-defined, no-any-return]

    def handle_timer(self: Watch, now: float, real: Callable[[Watch, float], None] = Watch.handle_timer) -> None:
        self._mutant_now = now  # type: ignore[attr-defined]
        real(self, now)

    patch.setattr(Watch, "_mutant_now", 0.0, raising=False)
    patch.setattr(Watch, "get_timer", get_timer)
    patch.setattr(Watch, "handle_timer", handle_timer)


def _never_reconnecting(patch: pytest.MonkeyPatch) -> None:
    """Who was given up is never dialled again."""
    patch.setattr(Joining, "_reconnects", lambda self, entries: [])


def _without_telling(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Announcer, "_tell_if_ours", lambda self, topic, now: None)


CASES: Sequence[tuple[type[checkers.Checker], Mutate, Mapping[str, Any], Sequence[str], Kind]] = [
    (checkers.OneRun, _without_evidence, {}, ["20 freeze cmp-1 for 40"], Kind.SAFETY),
    (checkers.OnlyOnEvidence, _without_evidence, {}, ["20 freeze cmp-1 for 40"], Kind.SAFETY),
    (
        checkers.HealthyHostsLive,
        _without_quorum,
        {"storm_hosts": 99, "settle": {"storage-lost": 5.0}},
        ["20 cut ctl-1 storage"],
        Kind.SAFETY,
    ),
    (
        checkers.StormIsHeld,
        _without_storm_guard,
        {},
        ["20 cut cmp-1 storage", "21 cut cmp-2 storage", "22 cut cmp-3 storage"],
        Kind.SAFETY,
    ),
    (checkers.CallsAreKept, _forgetting_calls, {}, ["20 power-cut cmp-1"], Kind.SAFETY),
    (checkers.NothingIsWedged, _asking_twice, {}, ["20 power-cut cmp-1"], Kind.SAFETY),
    (checkers.NoFaultOfOurs, _with_a_fault, {}, ["20 power-cut cmp-1"], Kind.CRASH),
    (checkers.Bounds, _in_a_loop, {}, [], Kind.SAFETY),
    (checkers.AllAgree, _never_reconnecting, {}, ["20 island tunnel ctl-1 cmp-1 cmp-2 for 60"], Kind.LIVENESS),
    (checkers.DeadHostsAreRecovered, _without_telling, {}, ["20 power-cut cmp-1"], Kind.LIVENESS),
]


def _violations(checker: type[checkers.Checker], settings: Mapping[str, Any], script: Sequence[str]) -> list[Violation]:
    cluster = from_mapping({"computes": 5, **settings})
    steps = [Step.parse(line) for line in script]
    return World(cluster, steps, seed=1, stop_at=90.0, end_at=170.0, checkers=[checker]).run()


@pytest.mark.parametrize(
    ("checker", "mutate", "settings", "script", "kind"), CASES, ids=[case[0].__name__ for case in CASES]
)
def test_checker_fires_for_a_mutant_and_not_for_the_code_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
    checker: type[checkers.Checker],
    mutate: Mutate,
    settings: Mapping[str, Any],
    script: Sequence[str],
    kind: Kind,
) -> None:
    assert _violations(checker, settings, script) == []

    mutate(monkeypatch)
    found = _violations(checker, settings, script)

    assert [violation.kind for violation in found][:1] == [kind]


def test_every_checker_has_its_mutant() -> None:
    assert {case[0] for case in CASES} == set(checkers.ALL)
