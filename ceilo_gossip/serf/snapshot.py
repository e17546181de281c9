"""What a member should remember over a restart, in the format of Serf's own snapshot file; pure.

The file is text, one fact to a line, and a later line corrects an earlier one:

    alive: NAME HOST:PORT     a member that lives there
    not-alive: NAME           it does no more
    clock: N                  the newest Lamport time seen of members, events (`event-clock`), queries (`query-clock`)
    leave                     we left in good order: nothing above counts any more
    # ...                     a comment

A name may have spaces: the address begins after the last one. Reading is bounded; a line that is damaged, or of a kind
that we do not know, is skipped and counted, for most of a memory is better than none. We write the file anew each time;
Serf appends to it, and reads ours as we read Serf's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ceilo_gossip.swim.table import MAX_MEMBERS
from ceilo_gossip.wire.address import Address, is_host_of_a_member
from ceilo_gossip.wire.checks import MAX_LTIME, check_name
from ceilo_gossip.wire.errors import WireError

# Each of MAX_MEMBERS with the longest name and address, and as much again of what Serf has not compacted yet.
MAX_SNAPSHOT_BYTES = 2 * MAX_MEMBERS * 320
# Far beyond any clock that ran, so that one damaged digit cannot drive the clocks of a whole pool to their end.
MAX_STORED_LTIME = MAX_LTIME // 2
_OBSOLETE = "coordinate:"  # Serf wrote these once.


@dataclass(frozen=True, slots=True)
class Snapshot:
    """members: those that lived, without ourselves, and where. The clocks: the newest Lamport time that was seen.

    has_left: we left in good order; who reads it again finds nothing to go by.
    """

    members: Mapping[str, Address] = field(default_factory=dict)
    clock: int = 0
    event_clock: int = 0
    query_clock: int = 0
    has_left: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", MappingProxyType(dict(self.members)))


def to_lines(snapshot: Snapshot) -> Iterator[str]:
    """The lines of a file that says this; the clocks first, so that a file that was cut off does not lack them."""
    yield f"clock: {snapshot.clock}"
    yield f"event-clock: {snapshot.event_clock}"
    yield f"query-clock: {snapshot.query_clock}"
    for name, address in snapshot.members.items():
        yield f"alive: {name} {address}"
    if snapshot.has_left:
        yield "leave"


def from_bytes(content: bytes, *, own_name: str) -> tuple[Snapshot, int]:
    """What a file says, and how many of its lines were skipped. `ValueError` for more than MAX_SNAPSHOT_BYTES."""
    if len(content) > MAX_SNAPSHOT_BYTES:
        raise ValueError(f"a snapshot of {len(content)} bytes is longer than {MAX_SNAPSHOT_BYTES}")
    facts = _Facts(own_name)
    skipped = 0
    for line in content.split(b"\n"):
        try:
            facts.take(line.decode("utf-8").rstrip("\r"))
        except (ValueError, WireError):
            skipped += 1
    return facts.snapshot(), skipped


class _Facts:
    """What the lines so far have said."""

    def __init__(self, own_name: str) -> None:
        self._own_name = own_name
        self._forget()

    def _forget(self) -> None:
        self._members: dict[str, Address] = {}
        self._clocks = {"clock": 0, "event-clock": 0, "query-clock": 0}
        self._has_left = False

    def take(self, line: str) -> None:
        """One more line. `ValueError` or `WireError` when it says nothing that can be."""
        if not line or line.startswith(("#", _OBSOLETE)):
            return
        if line == "leave":
            self._forget()
            self._has_left = True
            return
        kind, separator, rest = line.partition(": ")
        if not separator:
            raise ValueError(f"{line!r} is no line of a snapshot")
        if kind == "alive":
            name, address = _member(rest)
            if name != self._own_name and (name in self._members or len(self._members) < MAX_MEMBERS):
                self._members[name] = address
        elif kind == "not-alive":
            self._members.pop(rest, None)
        else:
            self._clocks[_clock_named(kind)] = _ltime(rest)
        self._has_left = False

    def snapshot(self) -> Snapshot:
        clock, event_clock, query_clock = self._clocks.values()
        return Snapshot(self._members, clock, event_clock, query_clock, self._has_left)


def _member(text: str) -> tuple[str, Address]:
    name, _, where = text.rpartition(" ")
    check_name("member", name)
    host, _, port = where.rpartition(":")
    if not (port.isascii() and port.isdigit()):
        raise ValueError(f"{where!r} has no port")
    address = Address(host.removeprefix("[").removesuffix("]"), int(port))
    if not is_host_of_a_member(address.raw_host):
        raise ValueError(f"no member can live at {address}")
    return name, address


def _clock_named(kind: str) -> str:
    if kind not in ("clock", "event-clock", "query-clock"):
        raise ValueError(f"{kind!r} is no kind of line")
    return kind


def _ltime(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_STORED_LTIME))):
        raise ValueError(f"{text!r} is no Lamport time")
    ltime = int(text)
    if ltime > MAX_STORED_LTIME:
        raise ValueError(f"a Lamport time of {ltime} is beyond what can be")
    return ltime
