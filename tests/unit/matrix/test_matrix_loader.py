"""The loader: what it reads, and the line and remedy in everything it refuses."""

import pytest

from ceilo_gossip.contract.networks import Network
from remediation.matrix import file
from remediation.matrix.action import Action
from remediation.matrix.errors import MatrixError
from remediation.matrix.loader import MAX_BYTES, load
from tests.support.matrices import SHIPPED, shipped_matrix

HEADER = "version: 1\nnetworks:\n"


def rows(**changed: str) -> str:
    """Return a whole matrix as text, one line for each row, with the rows in `changed` replaced."""
    lines = {
        f"r{m}{s}{t}": f"{{name: r{m}{s}{t}, when: {{management: {up[m]}, storage: {up[s]}, tunnel: {up[t]}}}, "
        "action: alert, settle: 0, why: because}"
        for up in [{"u": "up", "d": "down"}]
        for m in "ud"
        for s in "ud"
        for t in "ud"
    }
    return HEADER + "".join(f"  - {line}\n" for line in {**lines, **changed}.values() if line)


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(MatrixError) as caught:
        load(text.encode() if isinstance(text, str) else text, file="m.yaml")
    return [str(problem) for problem in caught.value.problems]


def row(*, name: str = "ruuu", when: str = "", action: str = "alert", settle: str = "0", why: str = "because") -> str:
    when = when or "{management: up, storage: up, tunnel: up}"
    return f"{{name: {name}, when: {when}, action: {action}, settle: {settle}, why: {why}}}"


def test_shipped_matrix_is_the_table_of_the_design() -> None:
    table = {row.lost: (row.action, row.settle) for row in shipped_matrix().rows}
    management, storage, tunnel = Network
    assert table == {
        frozenset(): (Action.NONE, 0),
        frozenset({management}): (Action.DISABLE, 0),
        frozenset({tunnel}): (Action.DRAIN, 60),
        frozenset({storage}): (Action.EVACUATE, 30),
        frozenset({management, storage}): (Action.EVACUATE, 20),
        frozenset({storage, tunnel}): (Action.EVACUATE, 20),
        frozenset({management, tunnel}): (Action.EVACUATE_ON_PROOF, 60),
        frozenset({management, storage, tunnel}): (Action.EVACUATE, 0),
    }


def test_whole_matrix_is_read_with_the_lines_of_its_rows() -> None:
    matrix = load(rows().encode(), file="m.yaml")
    assert [one.line for one in matrix.rows] == list(range(3, 11))


def test_fraction_of_a_second_is_a_settle_time() -> None:
    assert load(rows(ruuu=row(settle="1.5")).encode(), file="m").rows[0].settle == 1.5


def test_row_with_action_none_needs_neither_settle_nor_why() -> None:
    text = rows(ruuu="{name: ruuu, when: {management: up, storage: up, tunnel: up}, action: none}")
    assert load(text.encode(), file="m").rows[0].action is Action.NONE


@pytest.mark.parametrize(
    ("replacement", "expected"),
    [
        (
            row(when="{management: up, disk: up, tunnel: up, storage: up}"),
            "m.yaml:3: unknown network 'disk' in when; known are management, storage, tunnel",
        ),
        (row(when="{management: up, tunnel: up}"), "when does not say whether storage is up or down"),
        (row(when="{management: up, storage: up, tunnel: unknown}"), "unknown counts as up and has no rows"),
        (row(when="{management: up, storage: [up], tunnel: up}"), "storage is a list; write up or down"),
        (row(when="up"), "when must hold keys (management, storage, tunnel), not 'up'"),
        (row(action="reboot"), "m.yaml:3: unknown action 'reboot'; write one of none, alert, disable, drain"),
        (row(action="null"), "action is 'null'; write one of none"),
        (row(action="[drain]"), "action is a list; write one of none"),
        (row(settle="-1"), "settle is '-1'; write a number of seconds from 0 to 3600"),
        (row(settle="3601"), "settle is '3601'; write a number of seconds from 0 to 3600"),
        (row(settle="20s"), "settle is '20s'; write a number of seconds"),
        (row(settle="'20'"), "settle is '20'; write a number of seconds"),
        (row(settle=".nan"), "settle is '.nan'"),
        (row(settle=".inf"), "settle is '.inf'"),
        (row(settle="0x1f"), "settle is '0x1f'"),
        (row(settle="1:30"), "settle is '1:30'"),
        (row(settle="true"), "settle is 'true'"),
        (row(settle="{}"), "settle is a mapping"),
        (row(name="Storage_Lost"), "name 'Storage_Lost' is not allowed; write small letters, digits and '-'"),
        (row(name="a" * 65), "is not allowed"),
        (row(name="17"), "name is '17'"),
        (row(why="''"), "why is empty; write one sentence"),
        (row(why="x" * 501), "why is 501 characters long"),
        (row()[:-1] + ", colour: red}", "m.yaml:3: unknown key 'colour' in a row; known are name, when, action"),
        (row()[:-1] + ", conditions: [x]}", "conditions: rows for conditions are not supported by this release"),
        (row()[:-1] + ", action: none}", "action appears twice in a row; keep one"),
        ("{when: {management: up, storage: up, tunnel: up}, action: none}", "m.yaml:3: name is missing"),
        ("{name: ruuu, action: none}", "m.yaml:3: when is missing; write when: {management: up"),
        ("{name: ruuu, when: {management: up, storage: up, tunnel: up}}", "m.yaml:3: action is missing"),
        (
            "{name: ruuu, when: {management: up, storage: up, tunnel: up}, action: drain, why: x}",
            "m.yaml:3: settle is missing",
        ),
        (
            "{name: ruuu, when: {management: up, storage: up, tunnel: up}, action: drain, settle: 1}",
            "m.yaml:3: why is missing",
        ),
        ("just text", "m.yaml:3: a row must hold keys"),
    ],
)
def test_bad_row_is_refused_with_its_line_and_a_remedy(replacement: str, expected: str) -> None:
    found = problems(rows(ruuu=replacement))
    assert len(found) == 1
    assert expected in found[0]
    assert found[0].startswith("m.yaml:3: ")


def test_missing_combination_is_named() -> None:
    missing = "no row for management up, storage down, tunnel up"
    assert problems(rows(rudu="")) == [f"m.yaml:3: {missing}; each combination needs one, `action: none` included"]


def test_same_combination_twice_is_refused_naming_both_lines() -> None:
    found = problems(rows() + f"  - {row(name='again')}\n")
    assert found == [
        "m.yaml:11: row again is for the same combination as row ruuu in line 3 "
        "(management up, storage up, tunnel up); keep one of them"
    ]


def test_same_name_twice_is_refused_naming_both_lines() -> None:
    text = rows().replace("name: rddd", "name: ruuu")
    assert problems(text) == ["m.yaml:10: name ruuu is already taken in line 3; give each row its own"]


def test_every_problem_is_told_at_once_in_the_order_of_lines() -> None:
    found = problems(rows(ruuu=row(action="reboot"), rdud=row(settle="soon")))
    assert [line.split(":")[1] for line in found] == ["3", "8"]


def test_unreadable_row_is_not_also_reported_as_missing() -> None:
    assert not any("no row for" in line for line in problems(rows(ruuu=row(action="reboot"))))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "m.yaml: is empty"),
        ("# only a comment\n", "m.yaml: is empty"),
        ("version: 1\n  networks: [", "m.yaml:2: is not YAML"),
        ("a: 'unfinished", "is not YAML"),
        ("x: \x01", "m.yaml: is not YAML"),
        ("a: 1\n---\nb: 2\n", "is not YAML"),
        (b"\xff\xfe\x00", "m.yaml: is not UTF-8 text"),
        ("[" * 5000, "m.yaml: is nested too deeply"),
        ("#" * (MAX_BYTES + 1), f"m.yaml: is larger than {MAX_BYTES} bytes"),
        ("hello", "m.yaml:1: the file must hold keys (version, networks), not 'hello'"),
        ("- 1\n", "m.yaml:1: the file must hold keys (version, networks), not a list"),
        (rows().replace("version: 1\n", ""), "m.yaml:1: version is missing; write version: 1"),
        (rows().replace("version: 1", "version: 2"), "m.yaml:1: version must be 1"),
        ("version: 1\n", "m.yaml:1: networks is missing"),
        ("version: 1\nnetworks: none\n", "m.yaml:2: networks must be a list of rows"),
        ("version: 1\nnetworks: []\n", "no row for management up, storage up, tunnel up"),
        (rows() + "conditions: []\n", "m.yaml:11: conditions: rows for conditions are not supported"),
        (rows() + "extra: 1\n", "m.yaml:11: unknown key 'extra' in the file"),
        (rows() + "? [a]\n: 1\n", "unknown key 'a list' in the file"),
        (rows() + "version: 1\n", "m.yaml:11: version appears twice"),
    ],
)
def test_file_that_is_no_matrix_is_refused(text: str | bytes, expected: str) -> None:
    assert any(expected in line for line in problems(text)), problems(text)


def test_recursive_anchor_is_no_trap() -> None:
    assert problems("&a [*a]")


def test_file_that_cannot_be_read_is_named(tmp_path: object) -> None:
    with pytest.raises(MatrixError, match=r"nowhere\.yaml: cannot be read: No such file"):
        file.read(f"{tmp_path}/nowhere.yaml")


def test_directory_is_no_matrix(tmp_path: object) -> None:
    with pytest.raises(MatrixError, match="cannot be read: Is a directory"):
        file.read(str(tmp_path))


def test_file_is_read_from_disk() -> None:
    assert file.read_sound(str(SHIPPED)) == shipped_matrix()
