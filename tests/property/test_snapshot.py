"""Snapshot files: whatever is in one is read within bounds, and what we write says what it should, to Serf too."""

from hypothesis import given
from hypothesis import strategies as st

from ceilo_gossip.serf.snapshot import MAX_STORED_LTIME, Snapshot, from_bytes, to_lines
from ceilo_gossip.wire.address import Address, raw_to_host
from tests.support.wire_strategies import HOSTS, NAMES, PORTS

addresses = st.builds(lambda raw, port: Address(raw_to_host(raw), port), HOSTS, PORTS)
clocks = st.integers(0, MAX_STORED_LTIME)
snapshots = st.builds(
    Snapshot,
    st.dictionaries(NAMES.filter(lambda name: name != "me"), addresses, max_size=5),
    clocks,
    clocks,
    clocks,
)
words = st.sampled_from(
    [
        b"alive",
        b"not-alive",
        b"clock",
        b"event-clock",
        b"leave",
        b"#",
        b": ",
        b" ",
        b"\n",
        b"me",
        b"x",
        b"10.0.0.1",
        b":7946",
        b"12",
    ]
)


@given(snapshots)
def test_what_is_written_is_read_again(snapshot: Snapshot) -> None:
    content = "".join(f"{line}\n" for line in to_lines(snapshot)).encode()
    assert from_bytes(content, own_name="me") == (snapshot, 0)


@given(st.binary(max_size=300) | st.lists(words, max_size=40).map(b"".join))
def test_no_content_is_too_strange(content: bytes) -> None:
    snapshot, skipped = from_bytes(content, own_name="me")
    assert 0 <= skipped <= content.count(b"\n") + 1
    assert "me" not in snapshot.members and len(snapshot.members) <= content.count(b"\n") + 1


@given(snapshots, st.data())
def test_a_file_that_was_cut_off_still_tells_of_the_members_before_the_cut(
    snapshot: Snapshot, data: st.DataObject
) -> None:
    content = "".join(f"{line}\n" for line in to_lines(snapshot)).encode()
    cut = data.draw(st.integers(0, len(content)))
    partial, skipped = from_bytes(content[:cut], own_name="me")
    assert skipped <= 1
    whole = content[:cut].count(b"\n")
    assert len(partial.members) >= whole - 3
    assert whole < 3 or (partial.clock, partial.event_clock) == (snapshot.clock, snapshot.event_clock)
