"""Whether a query is meant for us.

Serf's tag filters are RE2 expressions, which cannot hang; Python's can. So only a subset that is certain to end soon
is evaluated: literal characters, `.`, at most two `.*`, `^`, `$` and `|`. A query with any other expression is treated
as meant for others: not to answer is always allowed.
"""

import re
from collections.abc import Mapping, Sequence

from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.serf_codec import decode_filter
from ceilo_gossip.wire.serf_messages import NameFilter

MAX_EXPRESSION_LENGTH = 128
_SAFE = re.compile(r"(?:[\w /:@,=^$|-]|\.(?!\*))*(?:\.\*(?:[\w /:@,=^$|-]|\.(?!\*))*){0,2}", re.ASCII)


def matches(filters: Sequence[bytes], name: str, tags: Mapping[str, str]) -> bool:
    """Whether all filters match a member of this name with these tags."""
    return all(_matches(encoded, name, tags) for encoded in filters)


def _matches(encoded: bytes, name: str, tags: Mapping[str, str]) -> bool:
    try:
        criterion = decode_filter(encoded)
    except WireError:
        return False
    if isinstance(criterion, NameFilter):
        return name in criterion.members
    expression = criterion.expression
    if len(expression) > MAX_EXPRESSION_LENGTH or not _SAFE.fullmatch(expression):
        return False
    return re.search(expression, tags.get(criterion.tag, "")) is not None
