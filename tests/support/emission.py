"""What a real agent may be sent without harm, checked on the bytes themselves.

Written against the protocol, not against our own codec: the msgpack forms that go-msgpack 0.5.5 reads, sorted keys,
the layers in memberlist's order, and each rule whose breach kills or poisons an agent of memberlist 0.2.2. Every check
is an assertion; what was found is returned, so that a test can say more about it.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ceilo_gossip.wire.keyring import Keyring

PING, INDIRECT_PING, ACK, SUSPECT, ALIVE, DEAD, PUSH_PULL, COMPOUND, USER = range(9)
NACK, HAS_CRC, ERROR = 11, 12, 13
DATAGRAM_LIMIT = 1400
# A message of Serf goes out in a packet of its own; Serf keeps a response to 1024 bytes, and a relay around it.
MAX_PARTS = 127
META_LIMIT = 512
_U32 = 2**32
_ORIGIN = {"SourceAddr", "SourcePort", "SourceNode"}
_KEYS: Mapping[int, tuple[set[str], set[str]]] = {
    # type: keys that are always there, keys that may be
    PING: ({"SeqNo", "Node"}, _ORIGIN),
    INDIRECT_PING: ({"SeqNo", "Target", "Port", "Node", "Nack"}, _ORIGIN),
    ACK: ({"SeqNo", "Payload"}, set()),
    NACK: ({"SeqNo"}, set()),
    SUSPECT: ({"Incarnation", "Node", "From"}, set()),
    DEAD: ({"Incarnation", "Node", "From"}, set()),
    ALIVE: ({"Incarnation", "Node", "Addr", "Port", "Meta", "Vsn"}, set()),
    ERROR: ({"Error"}, set()),
}
_SERF_KEYS: Mapping[int, set[str]] = {
    0: {"LTime", "Node", "Prune"},
    1: {"LTime", "Node"},
    2: {"LTime", "StatusLTimes", "LeftMembers", "EventLTime", "Events", "QueryLTime"},
    3: {"LTime", "Name", "Payload", "CC"},
    4: {"LTime", "ID", "Addr", "Port", "SourceNode", "Filters", "Flags", "RelayFactor", "Timeout", "Name", "Payload"},
    5: {"LTime", "ID", "From", "Flags", "Payload"},
    9: {"DestAddr", "DestName"},
}
_RECORD_KEYS = {"Name", "Addr", "Port", "Meta", "Incarnation", "State", "Vsn"}


@dataclass(frozen=True, slots=True)
class Emitted:
    """One message as a receiver sees it: its type, its fields, and for a user message the bytes it carries."""

    kind: int
    fields: Mapping[str, Any]
    payload: bytes = b""


class _Reader:
    """go-msgpack 0.5.5's reading of the bytes, without the forms that break it or that it never writes."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def _take(self, length: int) -> bytes:
        assert self.at + length <= len(self.data), "a value is cut off"
        self.at += length
        return self.data[self.at - length : self.at]

    def _number(self, length: int) -> int:
        return int.from_bytes(self._take(length), "big")

    def value(self) -> Any:
        lead = self._number(1)
        if lead <= 0x7F:
            return lead
        if lead <= 0x8F:
            return self._map(lead & 0x0F)
        if lead <= 0x9F:
            return [self.value() for _ in range(lead & 0x0F)]
        if lead <= 0xBF:
            return self._take(lead & 0x1F)
        if lead in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[lead]
        if lead == 0xCB:
            return ("double", self._take(8))
        widths = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
        if lead in widths:
            number = self._number(widths[lead])
            assert number >= {1: 0x80, 2: 0x100, 4: 0x10000, 8: 2**32}[widths[lead]], "not the smallest form"
            return number
        if lead in (0xDA, 0xDB):
            length = self._number({0xDA: 2, 0xDB: 4}[lead])
            assert length > (31 if lead == 0xDA else 0xFFFF), "not the smallest form"
            return self._take(length)
        if lead in (0xDC, 0xDD):
            return [self.value() for _ in range(self._number({0xDC: 2, 0xDD: 4}[lead]))]
        if lead in (0xDE, 0xDF):
            return self._map(self._number({0xDE: 2, 0xDF: 4}[lead]))
        raise AssertionError(f"msgpack form 0x{lead:02x}, which is no part of the dialect")

    def _map(self, length: int) -> dict[bytes, Any]:
        entries: dict[bytes, Any] = {}
        for _ in range(length):
            key = self.value()
            assert isinstance(key, bytes) and key not in entries, "a key that is no string, or twice"
            entries[key] = self.value()
        return entries

    def struct(self, required: set[str], optional: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]
        found = self.value()
        assert isinstance(found, dict), "no struct"
        assert list(found) == sorted(found), "keys are not sorted as Go sorts them"
        names = {key.decode("ascii") for key in found}
        assert required <= names <= required | optional, f"fields {names ^ required}"
        return {key.decode("ascii"): value for key, value in found.items()}

    def end(self) -> None:
        assert self.at == len(self.data), "bytes after the message"


def check_datagram(data: bytes, *, keyring: Keyring | None, label: bytes = b"") -> list[Emitted]:
    """The messages of a packet that we sent, each of them checked."""
    assert 0 < len(data) <= 65507, "does not fit into a datagram"
    if label:
        assert data[: 2 + len(label)] == bytes((244, len(label))) + label
        data = data[2 + len(label) :]
    if keyring is not None:
        assert data[0] == 1, "encryption version 1"
        data = keyring.open(data, label)
    if data[0] == HAS_CRC:
        assert zlib.crc32(data[5:]) == int.from_bytes(data[1:5], "big"), "checksum"
        data = data[5:]
    parts = list(_parts(data))
    messages = [_message(part) for part in parts]
    is_direct = len(messages) == 1 and messages[0].kind == USER
    assert len(data) <= DATAGRAM_LIMIT or is_direct, f"a packet of {len(data)} bytes is fragmented"
    return messages


def _parts(data: bytes) -> Iterator[bytes]:
    if data[0] != COMPOUND:
        yield data
        return
    count = data[1]
    # 0.2.2 computes the length of the table in eight bits.
    assert 2 <= count <= MAX_PARTS, f"a compound of {count} parts"
    at = 2 + 2 * count
    for place in range(count):
        length = int.from_bytes(data[2 + 2 * place : 4 + 2 * place], "big")
        assert length > 0, "a part without bytes kills 0.2.2"
        assert data[at] != COMPOUND, "a compound in a compound"
        yield data[at : at + length]
        at += length
    assert at == len(data), "the lengths of the parts are not those of the packet"


def _message(part: bytes) -> Emitted:
    kind = part[0]
    if kind == USER:
        check_serf(part[1:])
        return Emitted(kind, {}, part[1:])
    assert kind in _KEYS and kind != ERROR, f"type {kind} does not travel in a packet"
    return _struct(kind, part)


def _struct(kind: int, part: bytes) -> Emitted:
    reader = _Reader(part, 1)
    fields = reader.struct(*_KEYS[kind])
    reader.end()
    for name in ("SeqNo", "Incarnation"):
        assert 0 <= fields.get(name, 0) < _U32
    for name in _ORIGIN & set(fields):
        assert fields[name], "an origin that is empty is left out"
    if kind in (SUSPECT, DEAD, ALIVE):
        assert isinstance(fields["Node"], bytes) and fields["Node"], "about nobody"
    if kind == ALIVE:
        _check_member(fields)
    if kind == INDIRECT_PING:
        assert len(fields["Target"]) in (4, 16) and isinstance(fields["Nack"], bool)
    return Emitted(kind, fields)


def _check_member(fields: Mapping[str, Any]) -> None:
    assert fields["Incarnation"] > 0, "a member of incarnation 0 is never shown"
    assert len(fields["Addr"]) in (4, 16) and 0 < fields["Port"] < 65536
    assert len(fields["Meta"] or b"") <= META_LIMIT
    version = fields["Vsn"]
    # A length of 1 to 5 kills 0.2.2; of 0, nobody can join through it any more.
    assert isinstance(version, bytes) and len(version) == 6, "a version vector has six bytes"
    low, high, current, serf_low, serf_high, serf_current = version
    assert 0 < low <= current <= high and serf_low <= serf_current <= serf_high
    # What Debian's agents speak; a member of another range fails every exchange of everybody who hears of it.
    assert low <= 2 <= high and 1 <= current <= 5 and serf_low <= 5 <= serf_high and 2 <= serf_current <= 5


def _check_table(records: Sequence[Mapping[str, Any]]) -> None:
    """memberlist's verifyProtocol: each must speak what all understand, or the whole exchange is refused."""
    versions = [record["Vsn"] for record in records]
    for at in (0, 3):
        low = max((version[at] for version in versions), default=0)
        high = min((version[at + 1] for version in versions), default=255)
        assert all(low <= version[at + 2] <= high for version in versions), "somebody speaks what another does not"


def check_serf(payload: bytes) -> None:
    """A message of Serf. What others wrote is passed on as it came; it must be a message at least."""
    assert payload, "a message of Serf without bytes"
    assert payload[0] in _SERF_KEYS, f"Serf type {payload[0]}"
    if payload[0] == 9:
        reader = _Reader(payload, 1)
        header = reader.struct(_SERF_KEYS[9])
        assert set(header["DestAddr"]) == {b"IP", b"Port", b"Zone"} and reader.at < len(payload)


def check_stream(
    data: bytes, *, keyring: Keyring | None, label: bytes = b""
) -> tuple[int, Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """The type, header or struct, and records of a stream that we sent."""
    if label:
        assert data[: 2 + len(label)] == bytes((244, len(label))) + label
        data = data[2 + len(label) :]
    if keyring is not None:
        assert data[0] == 10 and int.from_bytes(data[1:5], "big") == len(data) - 5
        data = keyring.open(data[5:], data[:5] + label)
    kind = data[0]
    if kind != PUSH_PULL:
        assert kind in (PING, ACK, ERROR), f"type {kind} does not travel over a stream of ours"
        return kind, _struct(kind, data).fields, ()
    reader = _Reader(data, 1)
    header = reader.struct({"Nodes", "UserStateLen", "Join"})
    records = []
    for _ in range(header["Nodes"]):
        record = reader.struct(_RECORD_KEYS)
        assert record["Name"] and record["State"] in (0, 1, 2, 3)
        _check_member(record)
        records.append(record)
    _check_table(records)
    assert len(data) - reader.at == header["UserStateLen"]
    if header["UserStateLen"]:
        state = _Reader(data, reader.at + 1)
        assert data[reader.at] == 2
        state.struct(_SERF_KEYS[2])
        state.end()
    return kind, header, records
