"""The disk checker sees an instance that ran twice, and does not see one that merely moved."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from minicloud import disk_checker
from minicloud.disk_checker import DOUBLE_WRITER, SOUND, UNREADABLE, Record, check


def records(*writers: tuple[str, str], interval: float = 0.2) -> list[Record]:
    """Return one record for each (host, run id), arriving at the interval."""
    return [Record(host, "boot", run, n, 1e9 + n * interval, n * interval) for n, (host, run) in enumerate(writers)]


def forge(path: Path, content: Sequence[Record]) -> None:
    fields = ("host", "boot_id", "run_id", "counter", "wall", "monotonic")
    path.write_text("".join(json.dumps({name: getattr(each, name) for name in fields}) + "\n" for each in content))


def test_one_writer_is_sound() -> None:
    report = check("disk", records(("cmp-1", "a"), ("cmp-1", "a")))
    assert report.is_sound
    assert [(each.host, each.records) for each in report.stretches] == [("cmp-1", 2)]


def test_a_disk_that_was_never_written_is_sound() -> None:
    assert check("disk", []).is_sound


def test_a_hand_over_is_sound_and_its_gap_is_told() -> None:
    report = check("disk", records(("cmp-1", "a"), ("cmp-1", "a"), ("cmp-2", "b"), interval=4.0))
    assert report.is_sound
    assert [(each.source, each.destination, each.gap) for each in report.hand_overs] == [("cmp-1", "cmp-2", 4.0)]


def test_an_instance_that_moves_away_and_back_is_sound() -> None:
    report = check("disk", records(("cmp-1", "a"), ("cmp-2", "b"), ("cmp-1", "c")))
    assert report.is_sound
    assert len(report.hand_overs) == 2


def test_two_hosts_in_turns_are_a_double_writer_with_hosts_and_times() -> None:
    report = check("disk", records(("cmp-1", "a"), ("cmp-2", "b"), ("cmp-1", "a"), ("cmp-2", "b")))
    assert [(each.returned, each.meanwhile) for each in report.double_writers] == [
        ("cmp-1", "cmp-2"),
        ("cmp-2", "cmp-1"),
    ]
    assert report.double_writers[0].at == 1e9 + 0.4


def test_a_single_late_record_of_the_old_host_is_enough() -> None:
    report = check("disk", records(("cmp-1", "a"), *[("cmp-2", "b")] * 50, ("cmp-1", "a")))
    assert not report.is_sound


def test_two_runs_on_one_host_at_once_are_a_double_writer_too() -> None:
    assert not check("disk", records(("cmp-1", "a"), ("cmp-1", "b"), ("cmp-1", "a"))).is_sound


def test_the_answer_is_an_exit_status_and_names_the_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forge(tmp_path / "good", records(("cmp-1", "a"), ("cmp-2", "b")))
    assert disk_checker.main([str(tmp_path)]) == SOUND
    forge(tmp_path / "bad", records(("cmp-1", "a"), ("cmp-2", "b"), ("cmp-1", "a")))
    capsys.readouterr()
    assert disk_checker.main([str(tmp_path)]) == DOUBLE_WRITER
    shown = capsys.readouterr().out
    assert "disk bad: DOUBLE WRITER" in shown
    assert "cmp-1 wrote again" in shown
    assert "disk good: sound" in shown


def test_json_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forge(tmp_path / "bad", records(("cmp-1", "a"), ("cmp-2", "b"), ("cmp-1", "a")))
    assert disk_checker.main(["-f", "json", str(tmp_path)]) == DOUBLE_WRITER
    (report,) = json.loads(capsys.readouterr().out)
    assert report["is_sound"] is False
    assert report["double_writers"][0]["returned"] == "cmp-1"


def test_a_record_being_written_is_not_read_yet(tmp_path: Path) -> None:
    forge(tmp_path / "disk", records(("cmp-1", "a")))
    with (tmp_path / "disk").open("a") as disk:
        disk.write('{"host": "cmp-')
    assert disk_checker.main([str(tmp_path)]) == SOUND


def test_a_disk_that_cannot_be_read_is_not_called_sound(tmp_path: Path) -> None:
    (tmp_path / "disk").write_text("garbage\n")
    assert disk_checker.main([str(tmp_path)]) == UNREADABLE
    assert disk_checker.main([str(tmp_path / "nowhere")]) == UNREADABLE
