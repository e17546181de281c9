"""Whether a query is meant for us.

Serf's tag filters are Go's regular expressions, which are RE2's: `re2` is the library that Go's was made after, so a
filter selects the same members of ours as of Serf's. It takes time in proportion to the text, whatever the expression,
and here also little memory: one that needs more is not understood. Filters beyond what an honest query can hold are not
looked at. A query with a filter that is not understood is meant for others: not to answer is always allowed.
"""

from collections.abc import Mapping, Sequence

import re2

from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.serf_codec import decode_filter
from ceilo_gossip.wire.serf_messages import NameFilter

# Of all filters of a query together: senders keep the whole encoded query to 1024.
MAX_FILTERS_LENGTH = 1024
# `serf query` is given a few by hand. With them the most expensive expressions that fit cost some 20 ms together.
MAX_EXPRESSIONS = 16
# For the compiled expression and for its matching, in bytes. An alternative of forty host names takes most of it; an
# expression like (a?){1000}b would take more and be 5 ms of work for one tag.
MAX_MEMORY = 24 * 1024


def matches(filters: Sequence[bytes], name: str, tags: Mapping[str, str]) -> bool:
    """Whether all filters match a member of this name with these tags."""
    if sum(len(encoded) for encoded in filters) > MAX_FILTERS_LENGTH:
        return False
    try:
        criteria = [decode_filter(encoded) for encoded in filters]
    except WireError:
        return False
    expressions = []
    for criterion in criteria:
        if isinstance(criterion, NameFilter):
            if name not in criterion.members:
                return False
        else:
            expressions.append((criterion.expression, tags.get(criterion.tag, "")))
    if len(expressions) > MAX_EXPRESSIONS:
        return False
    return all(_is_found(expression, text) for expression, text in expressions)


_OPTIONS = re2.Options()
_OPTIONS.max_mem = MAX_MEMORY
_OPTIONS.log_errors = False  # The library would write to standard error.
_OPTIONS.never_capture = True


def _is_found(expression: str, text: str) -> bool:
    """Whether the expression matches anywhere in the text."""
    try:
        return re2.search(expression, text, _OPTIONS) is not None
    except re2.error:
        return False
