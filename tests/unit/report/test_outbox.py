"""Reports are kept until they are sent, within bounds, on disk while there is one."""

import pathlib
import sqlite3
import stat

from ceilo_gossip.report.outbox import Outbox, Report


def report(host: str, number: int, *, is_repeat: bool = False) -> Report:
    return Report(host, is_repeat, "topic", "type", {"number": number})


def numbers(outbox: Outbox) -> list[int]:
    found = []
    while (entry := outbox.oldest()) is not None:
        found.append(entry[1].payload["number"])
        outbox.remove(entry[0])
    return found


def test_report_survives_the_end_of_the_process(tmp_path: pathlib.Path) -> None:
    first = Outbox(tmp_path / "outbox", limit=10)
    first.add(report("a", 1))
    first.close()
    entry = Outbox(tmp_path / "outbox", limit=10).oldest()
    assert entry is not None and entry[1] == report("a", 1)


def test_changes_are_sent_in_order_and_none_is_left_out(tmp_path: pathlib.Path) -> None:
    outbox = Outbox(tmp_path / "outbox", limit=10)
    for number in range(4):
        outbox.add(report("a", number))
    assert numbers(outbox) == [0, 1, 2, 3]


def test_repetition_gives_way_to_anything_newer_about_its_host(tmp_path: pathlib.Path) -> None:
    outbox = Outbox(tmp_path / "outbox", limit=10)
    outbox.add(report("a", 0))
    outbox.add(report("a", 1, is_repeat=True))
    outbox.add(report("b", 2, is_repeat=True))
    outbox.add(report("a", 3, is_repeat=True))
    outbox.add(report("a", 4))
    assert numbers(outbox) == [0, 2, 4]


def test_beyond_the_limit_repetitions_go_first_and_what_goes_is_counted(tmp_path: pathlib.Path) -> None:
    outbox = Outbox(tmp_path / "outbox", limit=3)
    outbox.add(report("a", 0))
    outbox.add(report("b", 1, is_repeat=True))
    for number, host in ((2, "c"), (3, "d"), (4, "e")):
        outbox.add(report(host, number))
    assert outbox.dropped == 2
    assert numbers(outbox) == [2, 3, 4]


def test_file_is_for_the_owner_only(tmp_path: pathlib.Path) -> None:
    Outbox(tmp_path / "outbox", limit=3)
    assert stat.S_IMODE((tmp_path / "outbox").stat().st_mode) == 0o600


def test_file_that_is_no_database_is_told_and_memory_takes_its_place(tmp_path: pathlib.Path) -> None:
    (tmp_path / "outbox").write_text("no database, but long enough to be looked at" * 100)
    outbox = Outbox(tmp_path / "outbox", limit=3)
    assert outbox.trouble is not None
    outbox.add(report("a", 1))
    assert numbers(outbox) == [1]


def test_disk_that_fails_later_loses_nothing_that_can_be_read(tmp_path: pathlib.Path) -> None:
    outbox = Outbox(tmp_path / "outbox", limit=3)
    outbox.add(report("a", 1))
    with sqlite3.connect(tmp_path / "outbox") as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON report BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    outbox.add(report("b", 2))
    assert outbox.trouble is not None and "disk full" in outbox.trouble
    assert numbers(outbox) == [1, 2]
