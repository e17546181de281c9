"""The table: who is picked, who is probed next, and who is forgotten."""

import random
from collections import Counter

from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.swim.table import Record, Table
from ceilo_gossip.wire.checks import OUR_VERSION


def record(number: int, state: MemberState = MemberState.ALIVE, changed_at: float = 0.0) -> Record:
    raw_host = bytes((10, 0, number >> 8, number & 255))
    return Record(f"p{number}", raw_host, 7946, b"", OUR_VERSION, 1, state, changed_at)


def table_of(*states: MemberState) -> Table:
    """p0 is ourselves, alive; p1 and on are in these states since instant 0."""
    table = Table("p0", random.Random(1))
    for number, state in enumerate((MemberState.ALIVE, *states)):
        table.add(record(number, state))
    return table


def is_alive(candidate: Record) -> bool:
    return candidate.state is MemberState.ALIVE


def test_everybody_is_picked_equally_often_whether_many_are_wanted_or_few() -> None:
    for living, gone in ((200, 0), (100, 100), (5, 300), (9, 0)):
        table = table_of(*[MemberState.ALIVE] * living, *[MemberState.DEAD] * gone)
        counted: Counter[str] = Counter()
        for _ in range(1000):
            picked = table.pick(3, is_alive)
            assert len({one.name for one in picked}) == 3
            counted.update(one.name for one in picked)
        assert set(counted) <= {f"p{number}" for number in range(1, living + 1)}
        mean = 3000 / living
        assert all(abs(counted[f"p{number}"] - mean) < 6 * mean**0.5 for number in range(1, living + 1))


def test_fewer_than_asked_for_are_all_picked_and_we_ourselves_never() -> None:
    assert {one.name for one in table_of(MemberState.ALIVE, MemberState.DEAD).pick(3, is_alive)} == {"p1"}
    assert table_of(*[MemberState.LEFT] * 100).pick(3, is_alive) == []


def test_picking_from_a_large_pool_looks_at_few_members() -> None:
    table = table_of(*[MemberState.ALIVE] * 5000)
    looked_at = 0

    def is_wanted(_: Record) -> bool:
        nonlocal looked_at
        looked_at += 1
        return True

    table.pick(3, is_wanted)
    assert looked_at < 10


def test_one_who_takes_a_record_keeps_that_instants_picture() -> None:
    table = table_of(MemberState.ALIVE)
    before = table.get("p1")
    table.put(record(1, MemberState.DEAD))
    after = table.get("p1")
    assert before is not None and before.state is MemberState.ALIVE
    assert after is not None and after.state is MemberState.DEAD


def test_the_gone_are_forgotten_between_passes_whether_they_died_or_left() -> None:
    table = table_of(MemberState.ALIVE, MemberState.DEAD, MemberState.LEFT)
    table.answers.keep("p2", 0.0, 0.1)
    for _ in range(3):
        assert table.next_to_probe(forget_before=0.0) is not None
    assert len(table) == 4, "not yet long enough"
    for _ in range(3):
        probed = table.next_to_probe(forget_before=1.0)
        assert probed is not None and probed.name == "p1"
    assert [one.name for one in table] == ["p0", "p1"] and table.answers.get("p2") is None
