"""Who speaks for a host: the same few members, found by every member for itself, without an election.

Rendezvous hashing (Thaler and Ravishankar 1998): each candidate gets a score from its name and the host's, the highest
scores win. When a candidate goes, only the hosts it spoke for get another speaker.
"""

import hashlib
from collections.abc import Iterable


def speakers(host: str, candidates: Iterable[str], *, count: int) -> tuple[str, ...]:
    """Return the `count` members that speak for `host`, best first; never `host` itself; fewer when there are fewer."""
    others = (candidate for candidate in set(candidates) if candidate != host)
    return tuple(sorted(others, key=lambda candidate: (_score(host, candidate), candidate), reverse=True)[:count])


def _score(host: str, candidate: str) -> bytes:
    # The length prefix keeps ("ab", "c") and ("a", "bc") apart.
    return hashlib.blake2b(f"{len(host)}:{host}{candidate}".encode(), digest_size=8).digest()
