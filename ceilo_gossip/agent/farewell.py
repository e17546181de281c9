"""How far our leave has got: which pools have been told good-bye."""

import asyncio
from collections.abc import AsyncGenerator, Iterable

from ceilo_gossip.contract.networks import Network


class Farewell:
    """Of `networks`, those that we have left. Anybody may wait for it."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._all = frozenset(networks)
        self._left: list[Network] = []
        self._is_given_up = False
        self._news = asyncio.Event()

    def said(self, network: Network) -> None:
        """The pool of `network` knows that we are gone."""
        if network not in self._left:
            self._left.append(network)
        self._news.set()

    def give_up(self) -> None:
        """Nobody shall wait any longer."""
        self._is_given_up = True
        self._news.set()

    @property
    def missing(self) -> frozenset[Network]:
        """The networks whose pool may not know yet."""
        return self._all - frozenset(self._left)

    async def networks(self) -> AsyncGenerator[Network, None]:
        """Each network as it is left, until all are, or it was given up."""
        told = 0
        while True:
            while told < len(self._left):
                yield self._left[told]
                told += 1
            if self._is_given_up or not self.missing:
                return
            self._news.clear()
            await self._news.wait()
