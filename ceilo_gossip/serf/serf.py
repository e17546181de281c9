"""One Serf member of one pool, sans-IO. SKELETON: signatures only, filled in by the next commits."""

import random
from collections.abc import Mapping, Sequence

from ceilo_gossip.serf.events import Event
from ceilo_gossip.serf.member import Member
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.swim.output import Datagram, StreamRequest
from ceilo_gossip.wire.address import Address


class Serf:
    """The five verbs, streams, and what an owner may ask for."""

    def __init__(self, settings: SerfSettings, *, rng: random.Random, now: float) -> None:
        raise NotImplementedError

    @property
    def name(self) -> str:
        raise NotImplementedError

    def receive_datagram(self, data: bytes, source: Address, now: float) -> None:
        raise NotImplementedError

    def handle_timer(self, now: float) -> None:
        raise NotImplementedError

    def get_timer(self) -> float | None:
        raise NotImplementedError

    def datagrams_to_send(self, now: float) -> list[Datagram]:
        raise NotImplementedError

    def next_event(self) -> Event | None:
        raise NotImplementedError

    def streams_to_open(self, now: float) -> list[StreamRequest]:
        raise NotImplementedError

    def receive_stream(self, data: bytes, source: Address, now: float) -> bytes:
        raise NotImplementedError

    def receive_stream_reply(self, request_id: int, data: bytes | None, now: float) -> None:
        raise NotImplementedError

    def join(self, addresses: Sequence[Address], now: float) -> None:
        raise NotImplementedError

    def leave(self, now: float) -> None:
        raise NotImplementedError

    def set_tags(self, tags: Mapping[str, str], now: float) -> None:
        raise NotImplementedError

    def probe(self, name: str, now: float) -> bool:
        raise NotImplementedError

    def members(self) -> Mapping[str, Member]:
        raise NotImplementedError

    @property
    def awareness(self) -> int:
        raise NotImplementedError

    @property
    def counters(self) -> Mapping[str, int]:
        raise NotImplementedError
