"""Waiting for facts, doing things at once, and keeping templates."""

import shutil
import threading
from pathlib import Path

import pytest

from minicloud import errands, kernel, layout, parallel, template
from minicloud.places import Places
from minicloud.readiness import NotReadyError, wait_for

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(layout.Layout("mc", layout.Directories(tmp_path / "home")), tmp_path / "venv", PROJECT)


def test_fact_is_returned_once_it_is_true() -> None:
    answers = iter([None, ConnectionRefusedError("not yet"), "there"])

    def fact() -> str | None:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert wait_for("a fact", fact, timeout=5.0, interval=0.0) == "there"


def test_fact_that_stays_false_is_named_with_what_was_seen_last() -> None:
    with pytest.raises(NotReadyError, match=r"the door: not so after 0 s .*shut") as caught:
        wait_for("the door", lambda: (_ for _ in ()).throw(OSError("shut")), timeout=0.0)
    assert caught.value.what == "the door"


def test_mistake_of_ours_is_not_taken_for_not_yet() -> None:
    with pytest.raises(ZeroDivisionError):
        wait_for("a fact", lambda: 1 // 0, timeout=5.0)


def test_first_failure_is_raised_while_others_still_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "enter_network_namespace", lambda name: None)
    release = threading.Event()

    def fail() -> None:
        raise RuntimeError("the second")

    try:
        with pytest.raises(RuntimeError, match="the second"):
            parallel.together("nowhere", [release.wait, fail])
    finally:
        release.set()


def test_all_tasks_are_done_inside_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[str] = []
    monkeypatch.setattr(kernel, "enter_network_namespace", entered.append)
    done: list[int] = []
    parallel.together("mc-ctl-1", [lambda: done.append(1), lambda: done.append(2)])
    assert sorted(done) == [1, 2]
    assert entered == ["mc-ctl-1", "mc-ctl-1"]


def test_no_template_is_restored_before_one_was_saved(places: Places) -> None:
    assert template.restore(places) is False
    assert not places.persistent.exists()


def test_template_brings_back_what_was_saved(places: Places) -> None:
    places.persistent.mkdir(parents=True)
    (places.persistent / "passwords.json").write_text("{}")
    template.save(places)
    shutil.rmtree(places.run)
    assert template.restore(places) is True
    assert (places.persistent / "passwords.json").read_text() == "{}"
    assert places.complete.exists()
    assert places.layout.directories.template.stat().st_mode & 0o077 == 0


def test_other_releases_need_another_template(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places.persistent.mkdir(parents=True)
    template.save(places)
    old = template.key(places)
    project = tmp_path / "project"
    definitions = project / "etc" / "ceilometer"
    definitions.mkdir(parents=True)
    for name in ("gnocchi_resources.yaml", "resource_type.json"):
        (definitions / name).write_text("changed")
    changed = Places(places.layout, places.venv, project)
    assert template.key(changed) != old
    shutil.rmtree(places.run)
    assert template.restore(changed) is False


def test_saving_a_template_removes_the_old_ones(places: Places) -> None:
    places.persistent.mkdir(parents=True)
    old = places.layout.directories.template / "0123456789abcdef"
    old.mkdir(parents=True)
    template.save(places)
    assert [path.name for path in places.layout.directories.template.iterdir()] == [template.key(places)]


def test_tail_of_a_log_is_its_end_and_of_none_nothing(tmp_path: Path) -> None:
    log = tmp_path / "x.out"
    log.write_text("".join(f"{n}\n" for n in range(100)))
    assert errands.tail(str(log)).splitlines() == [str(n) for n in range(80, 100)]
    assert errands.tail(str(tmp_path / "none")) == ""
