"""How heartbeats spread on one network: everybody passes on the newest of each witness, unchanged, a few times.

With k transmissions to members drawn at random, a heartbeat misses a member with a probability of about exp(-k), 2 %
for k = 4. A lease outlives several heartbeats in a row, and missing five of them has a probability of one in 10^8. So k
need not grow with the pool, and neither does the cost of a member: k packets in each heartbeat interval, less those
that ride along with probes and acks.
"""

from dataclasses import dataclass
from typing import Final

TRANSMISSIONS: Final = 4
# One for each witness of the largest electorate and of the one before it.
MAX_WAITING: Final = 16


@dataclass(slots=True)
class _Waiting:
    encoded: bytes
    left: int


class Spread:
    """What one member still has to pass on."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, witness: str, encoded: bytes) -> None:
        """There is news of `witness`; an older heartbeat of it need not be passed on any more."""
        if witness not in self._waiting and len(self._waiting) >= MAX_WAITING:
            return
        self._waiting[witness] = _Waiting(encoded, TRANSMISSIONS)

    def take(self, budget: int) -> list[bytes]:
        """What goes along with a packet that has room for `budget` bytes, the least sent first; each is counted."""
        taken: list[bytes] = []
        for witness, one in sorted(self._waiting.items(), key=lambda item: (-item[1].left, item[0])):
            if len(one.encoded) > budget:
                continue
            budget -= len(one.encoded)
            taken.append(one.encoded)
            one.left -= 1
            if one.left == 0:
                del self._waiting[witness]
        return taken
