"""The electorate: the hosts that decide together who may run instances, and the identity of such a set.

Two sides that mean the same electorate have the same id; a heartbeat, a host's tags and a revocation all carry it, so
that answers of different electorates are never added up.
"""

import dataclasses
import hashlib
from collections.abc import Iterable
from typing import Final

from ceilo_gossip.contract.errors import ContractError
from ceilo_gossip.contract.verdict import check_host

MAX_WITNESSES: Final = 9  # Four may fail at one time; more would only make each heartbeat round dearer.
ID_LENGTH: Final = 16  # Hexadecimal digits of a SHA-256; a clash of two electorates of one site is out of the question.


@dataclasses.dataclass(frozen=True, slots=True)
class Electorate:
    """The names of the witnesses, sorted. `ContractError` for none, too many, a name twice, or a name that is none.

    A lasting electorate has an odd number of witnesses; an even number occurs while one is added or taken out, and
    costs nothing but that one more must answer.
    """

    witnesses: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.witnesses) <= MAX_WITNESSES:
            raise ContractError("electorate", f"has {len(self.witnesses)} witnesses, not 1..{MAX_WITNESSES}")
        for name in self.witnesses:
            check_host("electorate", name)
        if list(self.witnesses) != sorted(set(self.witnesses)):
            raise ContractError("electorate", "must name each witness once, in sorted order")

    @classmethod
    def of(cls, names: Iterable[str]) -> "Electorate":
        """The electorate of these names, in whatever order and however often they are given."""
        return cls(tuple(sorted(set(names))))

    @property
    def majority(self) -> int:
        """How many witnesses are enough: any two majorities of one electorate share a witness."""
        return len(self.witnesses) // 2 + 1

    @property
    def id(self) -> str:
        """The same 16 hexadecimal digits wherever the same witnesses are meant."""
        return hashlib.sha256("\n".join(self.witnesses).encode("ascii")).hexdigest()[:ID_LENGTH]

    def may_follow(self, before: "Electorate") -> bool:
        """Whether hosts may go over from `before` to this one while some have not yet.

        Only one witness may come or go at a time: then each majority of the one shares a witness with each majority of
        the other, so a revocation that a majority of either has stored is met by every lease of both.

            n -> n + 1: majorities m = n // 2 + 1 and m' = (n + 1) // 2 + 1; m + m' > n + 1 for every n,
            and of the m' at most one is the new witness, so at least m' - 1 are of the old n, and m + m' - 1 > n
        """
        return len(set(self.witnesses) ^ set(before.witnesses)) <= 1
