"""LZW in the GIF flavour (least significant bit first, 8-bit literals, codes of 9..12 bits), as Go's compress/lzw.

Code 256 clears the table, 257 ends the stream, the first free one is 258. The width grows when the next free code
reaches 2^width. With a full table the decoder goes on without adding; Go's encoder clears instead.
"""

from ceilo_gossip.wire.errors import WireError

_CLEAR = 256
_END = 257
_FIRST_WIDTH = 9
_LAST_WIDTH = 12
_TABLE_LIMIT = 1 << _LAST_WIDTH
_LITERALS = (*(bytes((value,)) for value in range(256)), b"", b"")


def decompress(compressed: bytes, *, limit: int) -> bytes:
    """Expand to at most `limit` bytes; `WireError` beyond it, for an impossible code and for a missing end."""
    table = list(_LITERALS)
    width, previous = _FIRST_WIDTH, b""
    output: list[bytes] = []
    produced = 0
    window, available = 0, 0
    for byte in compressed:
        window |= byte << available
        available += 8
        if available < width:
            continue
        code = window & ((1 << width) - 1)
        window >>= width
        available -= width
        if code == _END:
            return b"".join(output)
        if code == _CLEAR:
            del table[_END + 1 :]
            width, previous = _FIRST_WIDTH, b""
            continue
        if code < len(table):
            entry = table[code]
        elif code == len(table) and previous:
            entry = previous + previous[:1]
        else:
            raise WireError(f"LZW code {code} has not been defined")
        produced += len(entry)
        if produced > limit:
            raise WireError(f"more than {limit} bytes come out of {len(compressed)} compressed ones")
        output.append(entry)
        if previous and len(table) < _TABLE_LIMIT:
            table.append(previous + entry[:1])
        previous = entry
        # The encoder is one entry ahead of us, so the width grows when the next entry would not fit.
        if len(table) >= (1 << width) and width < _LAST_WIDTH:
            width += 1
    raise WireError("a compressed message has no end")


def compress(plain: bytes) -> bytes:
    """Compress exactly as Go's encoder does, beginning with a clear code."""
    writer = _BitWriter()
    writer.write(_CLEAR, _FIRST_WIDTH)
    table: dict[bytes, int] = {}
    width, last_code = _FIRST_WIDTH, _END
    held = b""

    def code_of(text: bytes) -> int:
        return text[0] if len(text) == 1 else table[text]

    for place in range(len(plain)):
        byte = plain[place : place + 1]
        longer = held + byte
        if len(longer) == 1 or longer in table:
            held = longer
            continue
        writer.write(code_of(held), width)
        held = byte
        last_code += 1
        if last_code == 1 << width:
            width += 1
        if last_code == _TABLE_LIMIT - 1:
            writer.write(_CLEAR, width)
            table.clear()
            width, last_code = _FIRST_WIDTH, _END
        else:
            table[longer] = last_code
    if held:
        writer.write(code_of(held), width)
        last_code += 1
        if last_code == 1 << width:
            width += 1
        if last_code == _TABLE_LIMIT - 1:
            writer.write(_CLEAR, width)
            width = _FIRST_WIDTH
    writer.write(_END, width)
    return writer.finish()


class _BitWriter:
    """Codes of any width to bytes, least significant bit first."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._window = 0
        self._used = 0

    def write(self, code: int, width: int) -> None:
        self._window |= code << self._used
        self._used += width
        while self._used >= 8:
            self._bytes.append(self._window & 0xFF)
            self._window >>= 8
            self._used -= 8

    def finish(self) -> bytes:
        if self._used:
            self._bytes.append(self._window & 0xFF)
        return bytes(self._bytes)
