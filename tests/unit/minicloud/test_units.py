"""Units are described, stored and supervised: an `always` unit comes back, a stopped one stays away."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud import layout, units
from minicloud.control_socket import CommandError
from minicloud.hostinit import Init, Service
from minicloud.units import Restart, Unit, UnitState

SLEEPER = ("sleep", "1000")


@pytest.fixture
def init() -> Iterator[Init]:
    supervisor = Init({"PATH": os.environ["PATH"]})
    yield supervisor
    for name in [unit["name"] for unit in supervisor.serve({"command": "list"})["units"]]:
        if describe(supervisor, name)["pid"] is not None:
            supervisor.serve({"command": "kill", "name": name, "signal": signal.SIGKILL})
            end_of(supervisor, name, now=1e9)


def describe(init: Init, name: str) -> dict[str, object]:
    return next(unit for unit in init.serve({"command": "list"})["units"] if unit["name"] == name)


def end_of(init: Init, name: str, *, now: float) -> None:
    """Wait for the fact that the unit's process has ended, then let init see it."""
    pid = describe(init, name)["pid"]
    assert isinstance(pid, int)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    init.reap(now)


def test_a_unit_survives_its_way_through_json() -> None:
    unit = Unit("x", ("a", "b"), env={"A": "1"}, cwd="/tmp", log="/tmp/l", restart=Restart.ALWAYS, restart_delay=2.5)
    assert Unit.from_json(unit.to_json()) == unit


@pytest.mark.parametrize("changes", [{"name": ""}, {"name": "a/b"}, {"argv": ()}, {"restart_delay": -1.0}])
def test_an_impossible_unit_cannot_exist(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="unit"):
        Unit(**{"name": "x", "argv": SLEEPER, **changes})  # type: ignore[arg-type]


def test_boot_units_are_kept_in_order_and_from_others_eyes(tmp_path: Path) -> None:
    cloud = layout.current({"MINICLOUD_HOME": str(tmp_path)})
    boot = (Unit("second", SLEEPER, env={"PASSWORD": "x"}), Unit("first", SLEEPER))
    units.set_boot("cmp-1", boot, cloud=cloud)
    path = cloud.host("cmp-1").boot_units
    assert units.read_boot(path) == boot
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_host_without_boot_units_boots_with_none(tmp_path: Path) -> None:
    assert units.read_boot(tmp_path / "boot.json") == ()


def test_an_always_unit_is_started_again_after_its_delay(init: Init) -> None:
    init.start(Unit("x", ("sh", "-c", "exit 3"), restart=Restart.ALWAYS, restart_delay=2.0))
    end_of(init, "x", now=100.0)
    found = describe(init, "x")
    assert (found["state"], found["exit_status"], found["starts"]) == (UnitState.WAITING, 3, 1)
    assert init.meet_deadlines(101.5) == pytest.approx(0.5)
    assert init.meet_deadlines(102.0) is None
    found = describe(init, "x")
    assert (found["state"], found["starts"]) == (UnitState.RUNNING, 2)


def test_a_never_unit_that_ends_has_ended(init: Init) -> None:
    init.start(Unit("x", ("true",)))
    end_of(init, "x", now=100.0)
    assert describe(init, "x")["state"] is UnitState.ENDED
    assert init.meet_deadlines(1e6) is None


def test_a_killed_unit_comes_back_and_a_stopped_one_does_not(init: Init) -> None:
    init.start(Unit("x", SLEEPER, restart=Restart.ALWAYS, restart_delay=1.0))
    init.serve({"command": "kill", "name": "x", "signal": signal.SIGKILL})
    end_of(init, "x", now=10.0)
    init.meet_deadlines(11.0)
    assert describe(init, "x")["state"] is UnitState.RUNNING
    assert init.serve({"command": "stop", "name": "x"})["state"] is UnitState.STOPPING
    end_of(init, "x", now=12.0)
    assert describe(init, "x")["state"] is UnitState.ENDED


def test_a_unit_waiting_for_its_restart_can_be_stopped(init: Init) -> None:
    init.start(Unit("x", ("true",), restart=Restart.ALWAYS))
    end_of(init, "x", now=10.0)
    assert init.serve({"command": "stop", "name": "x"})["state"] is UnitState.ENDED
    assert init.meet_deadlines(1e6) is None


def test_a_unit_that_ignores_termination_is_killed_at_its_deadline(init: Init, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ready")
    script = f"trap '' TERM; echo > {tmp_path}/ready; exec sleep 1000"
    service = init.start(Unit("x", ("sh", "-c", script), stop_timeout=3.0))
    (tmp_path / "ready").read_bytes()
    service.stop(50.0)
    assert init.meet_deadlines(52.0) == pytest.approx(1.0)
    init.meet_deadlines(53.0)
    end_of(init, "x", now=53.1)
    assert describe(init, "x")["exit_status"] == -signal.SIGKILL


def test_a_stopped_process_still_ends_when_told_to(init: Init) -> None:
    service = init.start(Unit("x", SLEEPER))
    init.serve({"command": "kill", "name": "x", "signal": signal.SIGSTOP})
    service.stop(0.0)
    end_of(init, "x", now=1.0)
    assert describe(init, "x")["exit_status"] == -signal.SIGTERM


def test_two_running_units_cannot_have_one_name(init: Init) -> None:
    init.start(Unit("x", SLEEPER))
    with pytest.raises(CommandError, match="running"):
        init.start(Unit("x", SLEEPER))


def test_an_ended_unit_is_replaced_and_can_be_forgotten(init: Init) -> None:
    init.start(Unit("x", ("true",)))
    with pytest.raises(CommandError, match="running"):
        init.serve({"command": "forget", "name": "x"})
    end_of(init, "x", now=1.0)
    init.start(Unit("x", ("false",)))
    end_of(init, "x", now=2.0)
    assert describe(init, "x")["exit_status"] == 1
    init.serve({"command": "forget", "name": "x"})
    assert init.serve({"command": "list"}) == {"units": []}


def test_a_program_that_is_not_there_is_refused_with_its_name(init: Init) -> None:
    with pytest.raises(CommandError, match="no-such-program"):
        init.start(Unit("x", ("no-such-program",)))


def test_a_unit_gets_its_own_variables_and_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    service = Service(Unit("x", ("sh", "-c", "echo $A $B"), env={"B": "2"}, log=str(log)), {"A": "1", "B": "0"})
    service.start()
    assert service.process is not None
    service.process.wait()
    assert log.read_text() == "1 2\n"
