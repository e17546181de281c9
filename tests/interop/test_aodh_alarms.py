"""The port to Aodh, on the fake and on a real Aodh API; and our evaluation of alarms against Aodh's own."""

import contextlib
import dataclasses
import itertools
import os
import socket
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from aodh.evaluator.event import Alarm, Event, EventAlarmEvaluator
from aodhclient.noauth import AodhNoAuthPlugin
from keystoneauth1.session import Session

from ceilo_gossip.contract.messaging import EVENT_TYPE_HEALTH
from ceilo_gossip.contract.networks import Network, NetworkState
from remediation.alarms import compiler
from remediation.alarms.aodh import AodhAlarms
from remediation.alarms.apply import apply
from remediation.alarms.destination import Destination
from remediation.alarms.errors import AlarmError
from remediation.alarms.memory import MemoryAlarms
from remediation.alarms.model import EventAlarm
from remediation.alarms.port import Alarms
from remediation.alarms.reconciler import plan
from tests.support.matrices import shipped_matrix

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 60.0  # Seconds in which Aodh must start, on a loaded machine.
PASSWORD = "t3ll@nobody"
WANTED = compiler.compile_matrix(shipped_matrix(), Destination("https://ctl:8780", "aodh", PASSWORD))


@contextlib.contextmanager
def aodh_api(directory: Path) -> Iterator[str]:
    """Run Aodh's API and yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = directory / "aodh.conf"
    file.write_text(
        "[DEFAULT]\ntransport_url = fake://\n[api]\nauth_mode = noauth\n"
        f"[database]\nconnection = sqlite:///{directory}/aodh.sqlite\n"
    )
    log = directory / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "support" / "aodh_api.py"), str(file), str(port)],
            stdout=stream,
            stderr=stream,
            cwd=directory,
            env={**os.environ, "PYTHONPATH": ""},
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + DEADLINE
        while not _answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with aodh_api(tmp_path_factory.mktemp("aodh")) as url:
        yield url


def real_alarms(address: str, *, project: str, roles: str = "member,reader") -> AodhAlarms:
    return AodhAlarms(Session(auth=AodhNoAuthPlugin("user", project, roles, address)))


@pytest.fixture(params=["fake", "real"])
def alarms(request: pytest.FixtureRequest) -> Alarms:
    if request.param == "fake":
        return MemoryAlarms()
    # Each test is a project of its own, so that none sees another's alarms.
    return real_alarms(request.getfixturevalue("address"), project=request.node.name)


def test_alarm_is_read_back_as_it_was_created(alarms: Alarms) -> None:
    for alarm in WANTED:
        alarms.create(alarm)
    stored = alarms.stored()
    assert {one.alarm.name: one.alarm for one in stored} == {alarm.name: alarm for alarm in WANTED}
    assert {one.kind for one in stored} == {"event"}


def test_updated_alarm_is_read_back_as_it_was_wanted(alarms: Alarms) -> None:
    alarms.create(dataclasses.replace(WANTED[0], enabled=False, repeat_actions=False, query=WANTED[1].query))
    (stored,) = alarms.stored()
    alarms.update(stored.alarm_id, WANTED[0])
    (updated,) = alarms.stored()
    assert updated.alarm == WANTED[0]
    assert updated.alarm_id == stored.alarm_id


def test_deleted_alarm_is_gone_and_deleting_it_again_is_no_error(alarms: Alarms) -> None:
    alarms.create(WANTED[0])
    (stored,) = alarms.stored()
    alarms.delete(stored.alarm_id)
    assert list(alarms.stored()) == []
    alarms.delete(stored.alarm_id)


def test_updating_an_alarm_that_is_gone_is_refused(alarms: Alarms) -> None:
    with pytest.raises(AlarmError, match="alarm"):
        alarms.update("b6f1a2c4-0000-4000-8000-000000000000", WANTED[0])


def test_matrix_is_applied_and_applying_again_does_nothing(alarms: Alarms) -> None:
    stranger = dataclasses.replace(WANTED[0], name="mine", description="mine")
    former = dataclasses.replace(WANTED[0], name="ceilo-gossip/former-row")
    wrong = dataclasses.replace(WANTED[1], severity="low")
    for alarm in (stranger, former, wrong):
        alarms.create(alarm)
    carried_out, missing = apply(WANTED, alarms)
    assert (len(carried_out.create), len(carried_out.update), len(carried_out.delete)) == (len(WANTED) - 1, 1, 1)
    assert missing.is_empty
    assert stranger in [one.alarm for one in alarms.stored()]
    assert plan(WANTED, alarms.stored()).is_empty
    assert compiler.disagreements(shipped_matrix(), [one.alarm for one in alarms.stored() if one.alarm.is_ours]) == ()


def test_more_alarms_than_fit_a_page_are_all_listed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remediation.alarms.aodh.PAGE", 3)
    alarms = real_alarms(address, project="pages")
    for alarm in WANTED:
        alarms.create(alarm)
    assert {one.alarm.name for one in alarms.stored()} == {alarm.name for alarm in WANTED}


def test_refusal_of_a_real_aodh_holds_no_password(address: str) -> None:
    bad = dataclasses.replace(WANTED[0], actions=(f"gopher://aodh:{PASSWORD}@ctl/x",))
    with pytest.raises(AlarmError, match="could not create alarm ceilo-gossip/management-lost") as caught:
        real_alarms(address, project="refused").create(bad)
    assert "gopher://***@ctl/x" in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_aodh_that_is_away_is_told() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(AlarmError, match="could not list the alarms: "):
            real_alarms(f"http://127.0.0.1:{closed.getsockname()[1]}", project="p").stored()


class RecordingEvaluator(EventAlarmEvaluator):
    """Aodh's evaluator of event alarms, without its database and notifier: it notes what it fires."""

    def __init__(self) -> None:
        self.fired: list[str] = []

    def _fire_alarm(self, alarm: Any, event: Any) -> None:
        self.fired.append(alarm.id)


def fired_by_aodh(alarm: EventAlarm, traits: dict[str, object]) -> bool:
    query = [dataclasses.asdict(one) for one in alarm.query]
    stored = types.SimpleNamespace(
        alarm_id=alarm.name,
        rule={"event_type": alarm.event_type, "query": query},
        repeat_actions=alarm.repeat_actions,
        state="alarm",
    )
    listed = [[name, 2 if isinstance(value, int) else 1, value] for name, value in traits.items()]
    event = {"event_type": EVENT_TYPE_HEALTH, "message_id": "m", "traits": listed}
    evaluator = RecordingEvaluator()
    evaluator._evaluate_alarm(Alarm(stored), Event(event))
    return bool(evaluator.fired)


def test_aodhs_own_evaluator_fires_what_ours_says_for_every_event() -> None:
    for states in itertools.product((*NetworkState, None), repeat=len(Network)):
        traits: dict[str, object] = {"schema": 1}
        traits |= {str(n): str(state) for n, state in zip(Network, states, strict=True) if state is not None}
        for alarm in WANTED:
            assert fired_by_aodh(alarm, traits) == compiler.fires(alarm, EVENT_TYPE_HEALTH, traits), (alarm, traits)


def test_administrator_sees_and_changes_the_alarms_of_its_own_project_only(address: str) -> None:
    others = real_alarms(address, project="theirs")
    others.create(WANTED[0])
    ours = real_alarms(address, project="ours", roles="admin,member,reader")
    assert list(ours.stored()) == []
    apply(WANTED[1:], ours)
    assert [one.alarm for one in others.stored()] == [WANTED[0]]
