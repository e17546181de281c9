"""The msgpack of 2011 that memberlist speaks: strings and bytes are both `raw`, structs are maps with sorted keys.

Packing is python-msgpack's with `use_bin_type=False`. Unpacking is our own: python-msgpack allocates arrays as long as
a header claims, once for each of up to a thousand nested headers, so a packet of 64 KiB could ask for gigabytes. Here
a container may not claim more elements than there are bytes left, all of a message together no more than a budget, and
nesting is bounded. Every form that peers emit
is accepted (raw, str8, bin; signed and unsigned integers), extension types are not.

Nearly every message is one small map of plain values. For those python-msgpack is safe once it refuses arrays, long
maps, maps in maps and extensions, and several times faster: it has the first try, and what it does not give is ours to
judge.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeGuard

import msgpack

from ceilo_gossip.wire.errors import WireError

# The deepest real message, a Serf state with past events, nests 5 deep.
MAX_DEPTH = 12
# Elements of all containers of one message. An empty map is one byte on the wire and 64 here, so without a bound 4 MiB
# would become 300. The largest real message, the state of a pool of 16,384, has 50,000.
MAX_ELEMENTS = 131072

Value: TypeAlias = bool | int | float | bytes | list["Value"] | dict[bytes, "Value"] | None

_FIXED_INTEGERS = {
    0xCC: struct.Struct(">B"),
    0xCD: struct.Struct(">H"),
    0xCE: struct.Struct(">I"),
    0xCF: struct.Struct(">Q"),
    0xD0: struct.Struct(">b"),
    0xD1: struct.Struct(">h"),
    0xD2: struct.Struct(">i"),
    0xD3: struct.Struct(">q"),
    0xCA: struct.Struct(">f"),
    0xCB: struct.Struct(">d"),
}
_RAW_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAY_LENGTHS = {0xDC: 2, 0xDD: 4}
_MAP_LENGTHS = {0xDE: 2, 0xDF: 4}
_PLAIN = frozenset((bytes, int, bool, float, type(None)))


def _refuse_nesting(struct_: dict[object, object]) -> dict[object, object]:
    """Called with each map when it is whole, the inner ones first: a map in a map ends it before there are many."""
    if not all(type(item) in _PLAIN for item in struct_.values()):
        raise ValueError("not plain")
    return struct_


# What python-msgpack may give without us, and what it raises at anything else.
_PLAIN_STRUCT = {
    "raw": True,
    "max_map_len": 15,
    "max_array_len": 0,
    "max_ext_len": 0,
    "object_hook": _refuse_nesting,
}
_NOT_PLAIN = (ValueError, msgpack.UnpackException)
_CONSTANTS: dict[int, Value] = {0xC0: None, 0xC2: False, 0xC3: True}


def pack(value: object) -> bytes:
    """Our own value in the dialect; maps are written in the order given, so pass them sorted."""
    packed: bytes = msgpack.packb(value, use_bin_type=False)
    return packed


def pack_struct(fields: Mapping[str, object]) -> bytes:
    """A struct: a map sorted by field name, as Go writes it."""
    return pack(dict(sorted(fields.items())))


def unpack(encoded: bytes) -> Value:
    """The one value that `encoded` is; `WireError` when it is malformed or something follows it."""
    try:
        struct_: object = msgpack.unpackb(encoded, **_PLAIN_STRUCT)
    except _NOT_PLAIN:
        pass
    else:
        if _is_plain(struct_):
            return struct_
    value, end = unpack_from(encoded, 0)
    if end != len(encoded):
        raise WireError(f"{len(encoded) - end} bytes follow a msgpack value")
    return value


class Budget:
    """How many elements of containers may still come."""

    __slots__ = ("elements",)

    def __init__(self, elements: int = MAX_ELEMENTS) -> None:
        self.elements = elements


def unpack_from(encoded: bytes, start: int, budget: Budget | None = None) -> tuple[Value, int]:
    """The value that begins at `start`, and where it ends; `WireError` when it is malformed, cut off or too rich.

    budget: for several values together; without one the value has a whole budget for itself.
    """
    return _unpack(encoded, start, 0, budget or Budget())


def unpack_each(encoded: bytes, start: int, count: int, budget: Budget) -> Iterator[tuple[Value, int]]:
    """So many values, one after the other, each with where it ends; `WireError` as in `unpack_from`."""
    at, quick = start, msgpack.Unpacker(max_buffer_size=len(encoded), **_PLAIN_STRUCT)
    quick.feed(memoryview(encoded)[start:])
    is_quick = True
    for _ in range(count):
        if is_quick:
            try:
                struct_: object = quick.unpack()
            except _NOT_PLAIN:
                is_quick = False
            else:
                if _is_plain(struct_) and 2 * len(struct_) <= budget.elements:
                    budget.elements -= 2 * len(struct_)
                    at = start + quick.tell()
                    yield struct_, at
                    continue
                is_quick = False
        value, at = unpack_from(encoded, at, budget)
        yield value, at


def _is_plain(value: object) -> TypeGuard[dict[bytes, Value]]:
    """Whether it is a map of plain values, as `_unpack` gives it too."""
    return type(value) is dict


def _unpack(encoded: bytes, at: int, depth: int, budget: Budget) -> tuple[Value, int]:
    if at >= len(encoded):
        raise WireError("a msgpack value is cut off")
    lead = encoded[at]
    if lead <= 0x7F:
        return lead, at + 1
    if lead >= 0xE0:
        return lead - 256, at + 1
    if lead in _CONSTANTS:
        return _CONSTANTS[lead], at + 1
    form = _FIXED_INTEGERS.get(lead)
    if form is not None:
        end = at + 1 + form.size
        if end > len(encoded):
            raise WireError("a msgpack number is cut off")
        number: int | float = form.unpack_from(encoded, at + 1)[0]
        return number, end
    kind, length, at = _container(encoded, at)
    if kind == "raw":
        if length > len(encoded) - at:
            raise WireError(f"a msgpack raw claims {length} bytes, {len(encoded) - at} are left")
        return bytes(encoded[at : at + length]), at + length
    if depth == MAX_DEPTH:
        raise WireError(f"msgpack values nest deeper than {MAX_DEPTH}")
    elements = length if kind == "array" else 2 * length
    if elements > len(encoded) - at:
        raise WireError(f"a msgpack {kind} claims {length} elements, {len(encoded) - at} bytes are left")
    budget.elements -= elements
    if budget.elements < 0:
        raise WireError("a message has more elements than any real one")
    if kind == "array":
        values: list[Value] = []
        for _ in range(length):
            element, at = _unpack(encoded, at, depth + 1, budget)
            values.append(element)
        return values, at
    entries: dict[bytes, Value] = {}
    for _ in range(length):
        key, at = _unpack(encoded, at, depth + 1, budget)
        if not isinstance(key, bytes):
            raise WireError("a msgpack map has a key that is no string")
        entries[key], at = _unpack(encoded, at, depth + 1, budget)
    return entries, at


def _container(encoded: bytes | bytearray, at: int) -> tuple[str, int, int]:
    """The kind and length that the header at `at` announces, and where its content begins."""
    lead = encoded[at]
    if lead >= 0xA0 and lead <= 0xBF:
        return "raw", lead & 0x1F, at + 1
    if lead <= 0x8F:
        return "map", lead & 0x0F, at + 1
    if lead <= 0x9F:
        return "array", lead & 0x0F, at + 1
    for kind, sizes in (("raw", _RAW_LENGTHS), ("array", _ARRAY_LENGTHS), ("map", _MAP_LENGTHS)):
        size = sizes.get(lead)
        if size is not None:
            end = at + 1 + size
            if end > len(encoded):
                raise WireError(f"the length of a msgpack {kind} is cut off")
            return kind, int.from_bytes(encoded[at + 1 : end], "big"), end
    raise WireError(f"msgpack type 0x{lead:02x} is not part of the protocol")


class ValueScanner:
    """Find where values end in a growing buffer, looking at each byte once.

    A counter of the values still to come replaces a stack, so that neither nesting nor slow arrival costs anything.
    """

    __slots__ = ("_left", "_pending", "position")

    def __init__(self, position: int, values: int, *, limit: int = MAX_ELEMENTS) -> None:
        """Skip `values` values from `position` on. limit: of all values, those in containers included."""
        self.position = position
        self._pending = values
        self._left = limit

    def scan(self, buffer: bytearray) -> bool:
        """Go on with what has arrived; True once all values are there. `WireError` when they can never be read.

        `position` may point beyond the buffer: a raw's length is known before its bytes are there.
        """
        while self._pending:
            if self.position >= len(buffer):
                return False
            if self._pending > self._left:
                raise WireError("a message has more elements than any real one")
            lead = buffer[self.position]
            if lead <= 0x7F or lead >= 0xE0 or lead in _CONSTANTS:
                self.position += 1
            elif lead in _FIXED_INTEGERS:
                self.position += 1 + _FIXED_INTEGERS[lead].size
            else:
                size = _RAW_LENGTHS.get(lead) or _ARRAY_LENGTHS.get(lead) or _MAP_LENGTHS.get(lead) or 0
                if self.position + 1 + size > len(buffer):
                    return False
                kind, length, content = _container(buffer, self.position)
                self.position = content + (length if kind == "raw" else 0)
                self._pending += {"raw": 0, "array": 1, "map": 2}[kind] * length
            self._pending -= 1
            self._left -= 1
        return self.position <= len(buffer)


class Fields:
    """The fields of a struct that a peer sent, read with their Go meaning: missing and nil are the zero value."""

    __slots__ = ("_entries", "_of")

    def __init__(self, value: Value, *, of: str, declared: Sequence[str]) -> None:
        """A map, or (go-msgpack's other form) an array in declaration order; `WireError` for anything else."""
        if isinstance(value, list):
            value = {name.encode("ascii"): item for name, item in zip(declared, value, strict=False)}
        if not isinstance(value, dict):
            raise WireError(f"the body of a {of} is no map")
        self._entries = value
        self._of = of

    def _wrong(self, name: str, expected: str) -> WireError:
        return WireError(f"{name} of a {self._of} is not {expected}")

    def get(self, name: str) -> Value:
        return self._entries.get(name.encode("ascii"))

    def integer(self, name: str) -> int:
        value = self.get(name)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(name, "an integer")
        return value

    def number(self, name: str) -> float:
        value = self.get(name)
        if value is None:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, "a number")
        return float(value)

    def boolean(self, name: str) -> bool:
        value = self.get(name)
        if value is None or (isinstance(value, int) and value in (0, 1)):
            return bool(value)
        raise self._wrong(name, "a boolean")

    def raw(self, name: str) -> bytes:
        value = self.get(name)
        if value is None:
            return b""
        if isinstance(value, bytes):
            return value
        if isinstance(value, list):
            return _raw_of_integers(value, self._wrong(name, "bytes"))
        raise self._wrong(name, "bytes")

    def text(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            return ""
        return decode_text(value, self._wrong(name, "text"))

    def items(self, name: str) -> list[Value]:
        value = self.get(name)
        if value is None:
            return []
        if isinstance(value, list):
            return value
        raise self._wrong(name, "an array")

    def mapping(self, name: str) -> dict[bytes, Value]:
        value = self.get(name)
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        raise self._wrong(name, "a map")

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(decode_text(item, self._wrong(name, "an array of text")) for item in self.items(name))


def decode_text(value: Value, error: WireError) -> str:
    """The text that a raw holds; raises `error` when it holds none."""
    if not isinstance(value, bytes):
        raise error
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise error from None


def _raw_of_integers(values: Iterable[Value], error: WireError) -> bytes:
    """Bytes sent as an array of integers, which go-msgpack accepts."""
    numbers = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
            raise error
        numbers.append(value)
    return bytes(numbers)
