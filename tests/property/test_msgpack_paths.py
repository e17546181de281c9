"""The quick way to read a struct gives what the careful one gives, and takes nothing that it refuses."""

from collections.abc import Callable

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.msgpack_dialect import Budget, Value, unpack, unpack_each, unpack_from

KEYS = st.sampled_from(["Node", "SeqNo", "Meta", "Vsn"]) | st.binary(max_size=3) | st.integers(0, 3)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(width=32)
    | st.binary(max_size=40)
    | st.text(max_size=40)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=9))
)
NESTED = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)
STRUCTS = st.dictionaries(KEYS, NESTED, max_size=18) | NESTED


def pack(value: object, *, is_new: bool = False) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=is_new, use_single_float=is_new)
    return packed


def carefully(encoded: bytes) -> Value:
    value, end = unpack_from(encoded, 0)
    if end != len(encoded):
        raise WireError("something follows")
    return value


def result(read: Callable[[bytes], object], encoded: bytes) -> object:
    try:
        # The repr tells True from 1, and -0.0 from 0.0.
        return repr(read(encoded))
    except WireError:
        return WireError


@given(st.builds(pack, STRUCTS, is_new=st.booleans()), st.data())
@example(b"\x81\xa1a\xc7\x00\x05", None)  # an extension of no bytes
@example(b"\x81\xa1a\xd6\xff\x00\x00\x00\x00", None)  # a timestamp
@example(b"\x82\xa1a\x01\xa1a\x02", None)  # a name twice
@example(b"\x80\x80", None)
@example(b"", None)
def test_struct_is_read_alike_whole_and_damaged(encoded: bytes, data: st.DataObject | None) -> None:
    assert result(unpack, encoded) == result(carefully, encoded)
    if data is None or not encoded:
        return
    place = data.draw(st.integers(0, len(encoded) - 1))
    damaged = encoded[:place] + bytes((data.draw(st.integers(0, 255)),)) + encoded[place + 1 :]
    assert result(unpack, damaged) == result(carefully, damaged)
    assert result(unpack, encoded[:place]) == result(carefully, encoded[:place])


@given(st.lists(st.builds(pack, STRUCTS), max_size=6), st.binary(max_size=4), st.integers(-1, 1))
def test_structs_in_a_row_are_read_alike(structs: list[bytes], rest: bytes, more: int) -> None:
    encoded, count = b"\x06" + b"".join(structs) + rest, max(0, len(structs) + more)

    def one_by_one(encoded: bytes) -> tuple[list[Value], int]:
        values, at = [], 1
        for _ in range(count):
            value, at = unpack_from(encoded, at)
            values.append(value)
        return values, at

    def quickly(encoded: bytes) -> tuple[list[Value], int]:
        pairs = list(unpack_each(encoded, 1, count, Budget()))
        return [value for value, _ in pairs], pairs[-1][1] if pairs else 1

    assert result(quickly, encoded) == result(one_by_one, encoded)


def test_all_structs_of_a_row_share_one_budget() -> None:
    row = pack({"a": 1, "b": 2}) * 10
    assert len(list(unpack_each(row, 0, 10, Budget(40)))) == 10
    read = unpack_each(row, 0, 10, Budget(39))
    assert len([next(read) for _ in range(9)]) == 9
    with pytest.raises(WireError):
        next(read)


@pytest.mark.parametrize("lead", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"])
def test_header_that_claims_gigabytes_costs_nothing_on_either_way(lead: bytes) -> None:
    for encoded in (lead, b"\x81\xa1a" + lead, b"\x81\xa1a" * 2000 + lead, b"\x91" * 60000 + lead):
        with pytest.raises(WireError):
            unpack(encoded)
        with pytest.raises(WireError):
            list(unpack_each(encoded, 0, 2, Budget()))
