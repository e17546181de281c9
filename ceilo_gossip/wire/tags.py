"""A member's tags, as Serf keeps them in the meta of its alive message: 0xFF and a msgpack map."""

from collections.abc import Mapping

from ceilo_gossip.wire.checks import MAX_META_LENGTH
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.msgpack_dialect import decode_text, pack, unpack

_TAGS = b"\xff"


def encode_tags(tags: Mapping[str, str]) -> bytes:
    """The meta for these tags, the same bytes each time; `ValueError` when they do not fit."""
    meta = _TAGS + pack(dict(sorted(tags.items())))
    if len(meta) > MAX_META_LENGTH:
        raise ValueError(f"the tags take {len(meta)} bytes; a member may announce {MAX_META_LENGTH}")
    return meta


def decode_tags(meta: bytes) -> dict[str, str]:
    """The tags in a meta; meta of the days before tags is the value of the tag "role". `WireError` when malformed."""
    wrong = WireError("the tags are no map of text to text")
    if not meta.startswith(_TAGS):
        return {"role": decode_text(meta, wrong)}
    value = unpack(meta[1:])
    if not isinstance(value, dict):
        raise wrong
    return {decode_text(name, wrong): decode_text(text, wrong) for name, text in value.items()}
