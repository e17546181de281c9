"""Which queries are meant for us: Serf's filters, with Go's regular expressions, however strange."""

import pytest

from ceilo_gossip.serf.filters import MAX_EXPRESSIONS, MAX_FILTERS_LENGTH, matches
from ceilo_gossip.wire.serf_codec import encode_filter
from ceilo_gossip.wire.serf_messages import NameFilter, TagFilter

TAGS = {"role": "compute", "host": "cmp-12.rack3", "unicode": "größe", "lines": "one\ntwo"}


def is_for_us(*filters: NameFilter | TagFilter) -> bool:
    return matches([encode_filter(criterion) for criterion in filters], "me", TAGS)


@pytest.mark.parametrize(
    ("tag", "expression"),
    [
        ("role", "compute"),
        ("role", "omp"),  # a search, not a full match
        ("role", "^(ctl|compute)$"),
        ("role", "(?i)COMPUTE"),
        ("role", ""),
        ("host", r"^cmp-\d+\.rack[1-3]$"),
        ("host", r"^cmp-\d{1,3}\.rack\d$"),
        ("host", r"\brack3\b"),
        ("host", "^[[:alnum:].-]+$"),
        ("host", "|".join(f"cmp-{number}.rack3" for number in range(40))),
        ("unicode", r"^\pL+$"),
        ("unicode", "gr..e"),
        ("lines", "^one\ntwo$"),
        ("lines", "(?m)^two$"),
        ("absent", "^$"),  # an absent tag is empty
        ("role", "(c|o|m)*pute"),
    ],
)
def test_expression_that_matches_selects_us(tag: str, expression: str) -> None:
    assert is_for_us(TagFilter(tag, expression))


@pytest.mark.parametrize(
    ("tag", "expression"),
    [
        ("role", "^omp"),
        ("role", "COMPUTE"),
        ("lines", "^two$"),  # ^ and $ are those of the whole text
        ("lines", "one.two"),  # . is no line feed
        ("absent", "."),
        ("role", "("),
        ("role", "*"),
        ("role", "compute\\"),
        ("role", r"(c)\1"),  # RE2 has no such thing
        ("role", "(?=compute)"),
        ("role", "c{1001}"),
        ("role", "(((c{1,10}){1,10}){1,10}){1,10}"),
        ("role", r"(\pL|\pN){1,900}"),
        ("role", "(x?){1000}compute"),  # RE2 would take it, with more memory
    ],
)
def test_expression_that_does_not_match_or_is_not_understood_selects_others(tag: str, expression: str) -> None:
    assert not is_for_us(TagFilter(tag, expression))


def test_all_filters_must_match() -> None:
    role, other = TagFilter("role", "compute"), TagFilter("role", "control")
    assert is_for_us() and is_for_us(NameFilter(("p2", "me")), role, TagFilter("host", "rack3"))
    assert not is_for_us(role, other)
    assert not is_for_us(NameFilter(("p2",)), role)
    assert not is_for_us(NameFilter(()))


def test_filter_of_unknown_kind_selects_others() -> None:
    assert not matches([b"\x07junk"], "me", {}) and not matches([b""], "me", {})
    assert not matches([encode_filter(NameFilter(("me",))), b"\x01\xc1"], "me", {})


def test_filters_beyond_what_an_honest_query_holds_are_not_looked_at() -> None:
    few, many = [TagFilter("role", "c")] * MAX_EXPRESSIONS, [TagFilter("role", "c")] * (MAX_EXPRESSIONS + 1)
    assert is_for_us(*few) and not is_for_us(*many)
    assert is_for_us(TagFilter("role", "compute|" + "x" * 900))
    assert not is_for_us(TagFilter("role", "compute|" + "x" * MAX_FILTERS_LENGTH))


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "expression",
    [
        "(x+x+)+y",
        "(x*)*" * 150 + "$",
        "(x?){500}y",
        "(|x)*" * 100 + "b",
        ".*.*.*.*.*.*.*y",
        "((((x{1,9}){1,9}){1,9}))y",
    ],
)
def test_expression_that_would_hang_another_machine_ends_at_once(expression: str) -> None:
    text = "x" * 500
    for _ in range(20):
        matches([encode_filter(TagFilter("tag", expression))], "me", {"tag": text})


def test_a_wrong_expression_says_nothing_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert not is_for_us(TagFilter("role", "(")) and not is_for_us(TagFilter("role", r"\pL{999}"))
    assert capfd.readouterr() == ("", "")
