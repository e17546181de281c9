"""Checks that no instance runs twice."""

from tests.simulation.world.checkers.port import Kind, View
from tests.simulation.world.facts import Fact, RunsChanged

PROMISE = "an instance never runs on two hosts"


class OneRun:
    """No instance writes to its disk from two hosts at one instant: the first promise, on the guests themselves."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._writing: dict[str, frozenset[str]] = {}
        self._hosts: dict[str, set[str]] = {}

    def see(self, fact: Fact) -> None:
        if not isinstance(fact, RunsChanged):
            return
        host = fact.host
        before = self._writing.get(host, frozenset())
        after = self._view.machines[host].writing()
        if after == before:
            return
        self._writing[host] = after
        for instance in before - after:
            self._hosts[instance].discard(host)
        for instance in sorted(after - before):
            hosts = self._hosts.setdefault(instance, set())
            hosts.add(host)
            if len(hosts) > 1:
                self._view.violate(Kind.SAFETY, PROMISE, f"{instance} runs on {' and '.join(sorted(hosts))}")

    def at_end(self) -> None:
        """Nothing is left to look at."""
