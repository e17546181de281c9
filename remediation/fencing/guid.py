"""GUIDs of machines: their text, and when two are the same. Pure; see `identity` for what they are for."""

import uuid
from typing import Final

UNCHECKED: Final = "unchecked"  # Instead of a GUID in the inventory: do not compare.

# What boards show whose maker set none: zeros, ones, and the default of a firmware that many makers left as it is.
_SAY_NOTHING: Final = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "03000200-0400-0500-0006-000700080009",
    }
)


def parse(text: str) -> str:
    """Return a GUID as lower-case text with dashes, or "" when it is none, or one that many machines share."""
    try:
        guid = str(uuid.UUID(text))
    except ValueError:
        return ""
    return "" if canonical(guid) in _SHARED else guid


def from_wire(data: bytes) -> str:
    """Return 16 bytes, as IPMI sends them, as the text that dmidecode would show; "" when they are no GUID."""
    return parse(str(uuid.UUID(bytes_le=data))) if len(data) == 16 else ""


def canonical(guid: str) -> str:
    """Return the one text that stands for the GUID in whatever byte order; what is no GUID is returned as it is."""
    try:
        found = {uuid.UUID(guid).bytes}
    except ValueError:
        return guid
    # Reversed and SMBIOS's swap, and each of the other: eight orders at most.
    while True:
        more = found | {one[::-1] for one in found} | {uuid.UUID(bytes=one).bytes_le for one in found}
        if more == found:
            return str(uuid.UUID(bytes=min(found)))
        found = more


def is_same(one: str, other: str) -> bool:
    """Tell whether two GUIDs are one, in whatever byte order they were written down."""
    return canonical(one) == canonical(other)


_SHARED: Final = frozenset(canonical(guid) for guid in _SAY_NOTHING)
