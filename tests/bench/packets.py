"""What one packet costs a member, from bytes to bytes, and in units of what Python's msgpack and json need alone.

    python -m tests.bench.packets [--quick]

Wall-clock figures of a busy machine say little, so each cost is divided by that of a baseline measured in the same
run: to pack and unpack the same fields with msgpack (C code), and with json. Of many short batches the fastest counts,
for it was disturbed least. Encrypted (AES-128-GCM) throughout.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgpack
from rich.console import Console
from rich.table import Table

from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.swim import Identity, Swim
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import OUR_VERSION
from ceilo_gossip.wire.codec import encode, encode_for_stream
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Ack, Alive, Ping, PushPull, RemoteRecord, Suspect
from ceilo_gossip.wire.packet import pack_datagram
from ceilo_gossip.wire.stream import pack_stream
from ceilo_gossip.wire.tags import encode_tags

OWN = Address("10.0.0.1", 7946)
PEER = Address("10.0.0.2", 7946)
KEYRING = Keyring([bytes(range(16))])
TAGS = {"role": "compute", "version": "1.0.0", "boot_id": "5a0f8f39-6b70-4e2c-a0f8-1f0f3a9f6d11", "networks": "mst"}
META = encode_tags(TAGS)
MEMBERS = 20
TABLE = 1000  # records of the push/pull

Fields = dict[str, object]


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds for one packet (ours) and for the same fields through msgpack and json."""

    name: str
    ours: float
    by_msgpack: float
    by_json: float


def fastest(work: Callable[[], object], *, batches: int, length: int = 50) -> float:
    """Seconds that the work takes when nobody disturbs it."""
    best = float("inf")
    for _ in range(batches):
        began = time.perf_counter()
        for _ in range(length):
            work()
        best = min(best, time.perf_counter() - began)
    return best / length


def member() -> Swim:
    """One that knows a pool of MEMBERS and has nothing to gossip."""
    swim = Swim(
        Identity("me", OWN, META, KEYRING),
        SwimSettings.lan(),
        local_state=lambda: b"",
        ack_payload=lambda: b"",
        rng=random.Random(1),
        now=0.0,
    )
    for number in range(2, MEMBERS + 1):
        swim.receive_datagram(sealed(alive(number)), PEER, 0.0)
    drain(swim)
    return swim


def alive(number: int, incarnation: int = 1) -> Alive:
    return Alive(incarnation, f"compute-{number}", bytes((10, 0, 0, number)), 7946, META, OUR_VERSION)


def sealed(*messages: Ping | Ack | Alive | Suspect) -> bytes:
    return pack_datagram([encode(message) for message in messages], keyring=KEYRING)


def drain(swim: Swim) -> None:
    """Do as the owner does, until nothing is left to be gossiped."""
    now = 0.0
    while swim._outbox.has_broadcasts:
        now += 0.2
        swim.handle_timer(now)
        swim.datagrams_to_send(now)
    while swim.next_event() is not None:
        pass


def ping_fields() -> Fields:
    address: Fields = {"SourceAddr": OWN.raw_host, "SourceNode": "compute-2", "SourcePort": 7946}
    return {"Node": "me", "SeqNo": 123456, **address}


def alive_fields(number: int) -> Fields:
    address: Fields = {"Addr": bytes((10, 0, number >> 8, number & 255)), "Port": 7946}
    return {"Incarnation": 3, "Meta": META, "Node": f"compute-{number}", "Vsn": OUR_VERSION, **address}


def by_msgpack(structs: Sequence[Fields]) -> None:
    for fields in structs:
        msgpack.unpackb(msgpack.packb(fields, use_bin_type=False), raw=True)


def by_json(structs: Sequence[dict[str, object]]) -> None:
    for fields in structs:
        json.loads(json.dumps(fields))


def measure(*, batches: int) -> list[Cost]:
    """Each kind of packet in turn."""
    costs = []

    def add(name: str, work: Callable[[], object], structs: Sequence[Fields], *, length: int = 50) -> None:
        # json knows no bytes: as text of the same length, which flatters it.
        texts = [{k: v.decode("latin-1") if isinstance(v, bytes) else v for k, v in s.items()} for s in structs]
        costs.append(
            Cost(
                name,
                fastest(work, batches=batches, length=length),
                fastest(lambda: by_msgpack(structs), batches=batches, length=length),
                fastest(lambda: by_json(texts), batches=batches, length=length),
            )
        )

    add("ping received, ack sent", answering_a_ping(member()), [ping_fields(), {"Payload": None, "SeqNo": 123456}])
    add("ping sent, ack received", asking(member()), [ping_fields(), {"Payload": None, "SeqNo": 123456}])
    add("alive, known already", hearing(member(), alive(3)), [alive_fields(3)])
    parts = [Suspect(0, f"compute-{number}", "compute-2") for number in range(3, 13)]
    suspect_fields: Fields = {"From": "compute-2", "Incarnation": 3, "Node": "compute-3"}
    add("compound of 10 old suspicions", hearing(member(), *parts), [suspect_fields] * len(parts))
    add(
        f"push/pull of {TABLE}, answered",
        exchanging(member()),
        [alive_fields(number) for number in range(TABLE)] * 2,
        length=1,
    )
    return costs


def answering_a_ping(swim: Swim) -> Callable[[], object]:
    packet = sealed(Ping(123456, "me", PEER.raw_host, PEER.port, "compute-2"))

    def work() -> None:
        swim.receive_datagram(packet, PEER, 5.0)
        assert len(swim.datagrams_to_send(5.0)) == 1

    return work


def asking(swim: Swim) -> Callable[[], object]:
    def work() -> None:
        swim.probe("compute-2", 5.0)
        swim.datagrams_to_send(5.0)
        swim.receive_datagram(sealed(Ack(next(reversed(swim._prober._pings)))), PEER, 5.0)

    return work


def hearing(swim: Swim, *messages: Alive | Suspect) -> Callable[[], object]:
    packet = sealed(*messages)
    return lambda: swim.receive_datagram(packet, PEER, 5.0)


def exchanging(swim: Swim) -> Callable[[], object]:
    records = tuple(
        RemoteRecord(f"compute-{number}", bytes((10, 0, number >> 8, number & 255)), 7946, META, 1, 0, OUR_VERSION)
        for number in range(2, TABLE + 2)
    )
    data = pack_stream(encode_for_stream(PushPull(False, records, b"")), keyring=KEYRING)
    swim.receive_stream(data, PEER, 5.0)
    return lambda: swim.receive_stream(data, PEER, 5.0)


def show(costs: Sequence[Cost], console: Console) -> None:
    """The table."""
    shown = Table(title="One packet, whole way through a member")
    for heading in ("", "microseconds", "in a second", "x msgpack alone", "x json alone"):
        shown.add_column(heading, justify="left" if not heading else "right")
    for cost in costs:
        shown.add_row(
            cost.name,
            f"{1e6 * cost.ours:,.1f}",
            f"{1 / cost.ours:,.0f}",
            f"{cost.ours / cost.by_msgpack:.1f}",
            f"{cost.ours / cost.by_json:.1f}",
        )
    console.print(shown)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.packets", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few batches; the figures are then worth little")
    arguments = parser.parse_args(argv)
    show(measure(batches=3 if arguments.quick else 200), Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
