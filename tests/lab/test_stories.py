"""The three stories of the demo on the whole pocket cloud, and the proof that the disk checker can say no."""

import json
from collections.abc import Callable, Iterator

import pytest

from minicloud import faults, recycle, stories, units
from minicloud.endpoints import CONTROL_HOST
from minicloud.readiness import wait_for
from minicloud.scene import Scene
from remediation.incident.states import State
from remediation.incident.timeline import Stage
from tests.support import cloud_lab

INSTANCES = {"cmp-1": 2, "cmp-2": 2, "cmp-3": 2, "cmp-4": 1}
DOUBLE_WRITER_TIMEOUT = 30.0


@pytest.fixture(scope="module")
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The whole cloud with instances on four hosts, for all tests of this module."""
    with cloud_lab.running() as found:
        found.create_instances(INSTANCES)
        yield found
        if request.session.testsfailed:
            found.cloud.keep_logs()


def failures(outcome: stories.Outcome) -> list[str]:
    """Return what did not come true, with what was seen."""
    return [f"{finding.claim}: {finding.seen}" for finding in outcome.findings if not finding.holds]


@pytest.mark.parametrize(
    ("story", "host"),
    [(stories.cut_management, "cmp-1"), (stories.cut_storage, "cmp-2"), (stories.cut_power, "cmp-3")],
    ids=["management", "storage", "power"],
)
def test_story_comes_true(
    scene: Scene, story: Callable[[Scene, str, stories.Tell], stories.Outcome], host: str
) -> None:
    outcome = story(scene, host, print)
    assert outcome.findings
    assert not failures(outcome)
    assert stories.check_disks(scene).holds, stories.check_disks(scene).seen


def test_no_secret_is_written_to_a_log(scene: Scene) -> None:
    """After the stories every part of the chain has used its secrets."""
    layout, places = scene.cloud.layout, scene.cloud.places
    secrets = [places.remediation / name for name in ("webhook.password", "bmc.password", "keystone.password")]
    words = [path.read_bytes().strip() for path in secrets] + [scene.cloud.passwords.rabbit.encode()]
    words += [key.encode() for key in json.loads(places.keyring.read_text())]
    logs = [path for path in layout.directories.log.rglob("*") if path.is_file()]
    assert logs
    told = {path.name for path in logs for word in words if word in path.read_bytes()}
    assert not told


def test_killed_engine_goes_on_where_it_was(scene: Scene) -> None:
    """cmp-3 is back in service; the engine dies while its instances are being evacuated again."""
    for host in ("cmp-2", "cmp-3"):
        recycle.put_back(scene, host, say=print)
    (host, *_) = sorted({one.host for one in scene.instances() if one.host != "cmp-1"})

    def kill_engine() -> None:
        scene.wait_for_state(
            host, State.FENCING, State.FENCED, State.FORCED_DOWN, State.EVACUATING, since=0.0, timeout=60.0
        )
        units.kill(CONTROL_HOST, "remediation-engine", cloud=scene.cloud.layout)

    outcome = stories.cut_power(scene, host, print, meanwhile=kill_engine)
    assert not failures(outcome)
    assert stories.check_disks(scene).holds, stories.check_disks(scene).seen


def test_without_fencing_the_disk_checker_sees_the_double_writer(scene: Scene) -> None:
    host = "cmp-1"
    victims = scene.instances_on(host)
    assert victims
    scene.cloud.restart_engine_without_fencing()
    outcome = stories.cut_storage(scene, host, print)
    assert Stage.EVACUATE_ACCEPTED in outcome.stages, failures(outcome)
    assert not faults.is_cut(host, "storage", cloud=scene.cloud.layout)
    seen = wait_for("a double writer", lambda: not stories.check_disks(scene).holds, timeout=DOUBLE_WRITER_TIMEOUT)
    assert seen
    assert not outcome.came_true  # Such a run fails: the host was never switched off.
