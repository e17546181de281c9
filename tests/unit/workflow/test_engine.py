"""The engine's own promises: incidents do not wait for each other, and a fault of ours stops only its own."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from oslo_db import exception as db_exception

from remediation.fencing.driver import FenceTarget
from remediation.fencing.evidence import Evidence
from remediation.incident.states import State
from remediation.workflow.engine import OWN_FAULT_PAUSE
from tests.support.world import World

WAIT = 30.0  # Seconds that a thread is waited for before the test fails.


def test_slow_bmc_of_one_host_does_not_hold_another_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()
    fence = world.driver.fence

    def slow_fence(target: FenceTarget, deadline_seconds: float) -> Evidence:
        if target.host == "cmp-1":
            is_asked.set()
            assert may_answer.wait(WAIT)
        return fence(target, deadline_seconds)

    monkeypatch.setattr(world.driver, "fence", slow_fence)
    with ThreadPoolExecutor(2) as pool:
        world.start_engine(submit=pool.submit)
        for host in ("cmp-1", "cmp-2"):
            world.break_host(host)
        slow, quick = world.call("cmp-1"), world.call("cmp-2")
        world.engine.poll()
        assert is_asked.wait(WAIT)
        for _ in range(600):
            if world.state(quick) is State.RECOVERED:
                break
            threading.Event().wait(0.05)
            world.run(1.0)
        assert world.state(quick) is State.RECOVERED
        assert world.state(slow) is State.FENCING
        may_answer.set()
        world.engine.stop()


def test_database_that_goes_away_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.break_host("cmp-1")
    incident_id = world.call("cmp-1")
    with monkeypatch.context() as patch:

        def gone() -> None:
            raise db_exception.DBConnectionError(Exception("server has gone away"))

        patch.setattr(world.store, "list_open", gone)
        world.run(5.0)
        assert world.driver.calls == []
    world.run_until(State.RECOVERED, incident_id)


def test_fault_of_ours_rests_its_incident_and_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = world.agents.ask

    def broken(host: str) -> object:
        if host == "cmp-1" and world.now < 1000.0 + OWN_FAULT_PAUSE:
            raise ZeroDivisionError("a fault of ours")
        return ask(host)

    monkeypatch.setattr(world.agents, "ask", broken)
    for host in ("cmp-1", "cmp-2"):
        world.break_host(host)
    ill, well = world.call("cmp-1"), world.call("cmp-2")
    world.run_until(State.RECOVERED, well, seconds=10.0)
    assert world.state(ill) is State.CONFIRMING
    world.run_until(State.RECOVERED, ill)
