"""Drive one Serf member on one network address. SKELETON: signatures only, filled in by the next commits."""

from collections.abc import Callable

from ceilo_gossip.serf.events import Event
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.wire.address import Address


class Endpoint:
    def __init__(
        self, serf: Serf, *, bind: Address, clock: Callable[[], float], on_event: Callable[[Event], None]
    ) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    def poke(self) -> None:
        raise NotImplementedError
