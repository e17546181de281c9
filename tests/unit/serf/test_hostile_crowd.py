"""Members that do not exist, invented by somebody with the key, and what is left for those that do.

The table is made small here, so that a crowd comes together soon; `tests/unit/serf/test_bounds.py` fills the real one.
"""

import pytest

from ceilo_gossip.serf.events import MemberFailed
from ceilo_gossip.swim import claims, newcomers
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import OUR_VERSION
from ceilo_gossip.wire.messages import Ack, Alive, Ping, PushPull, RemoteRecord
from ceilo_gossip.wire.packet import unpack_datagram
from tests.support.gossip_world import PORT, GossipWorld, Host
from tests.support.hostile import HOME, KEY, Attacker, invented

FEW = 400  # members in all
CROWDED = 300


@pytest.fixture(autouse=True)
def small_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newcomers, "MAX_MEMBERS", FEW)
    monkeypatch.setattr(newcomers, "CROWDED", CROWDED)
    monkeypatch.setattr(claims, "CROWDED", CROWDED)


def pool(count: int = 6) -> tuple[GossipWorld, list[Host], Attacker]:
    world = GossipWorld()
    hosts = world.start_pool(count, keyring=KEY)
    world.run(30)
    for host in hosts:
        host.events.clear()
    return world, hosts, Attacker(world, keyring=KEY)


def crowd(hosts: list[Host], attacker: Attacker, *, incarnation: int = 1) -> None:
    """More members than fit, invented towards everybody."""
    lies = invented(2 * FEW, incarnation=incarnation)
    for host in hosts:
        for first in range(0, len(lies), 100):
            attacker.tell(host, *lies[first : first + 100])


def test_invented_members_leave_the_last_quarter_of_the_table_free() -> None:
    _, hosts, attacker = pool()
    crowd(hosts, attacker)
    assert all(len(host.serf._swim.table) == CROWDED for host in hosts)
    assert all(host.serf.counters["newcomers_put_off"] > 0 for host in hosts)


def test_honest_newcomer_is_met_by_everybody_though_the_table_is_crowded() -> None:
    world, hosts, attacker = pool()
    crowd(hosts, attacker)
    newcomer = world.start("h9", join=["h1", "h2"], keyring=KEY)
    for _ in range(30):
        world.run(1)
        # The invention never stops, and would take each free place.
        crowd(hosts, attacker)
        if all(host.sees("h9") is MemberState.ALIVE for host in hosts):
            break
    assert all(host.sees("h9") is MemberState.ALIVE for host in hosts)
    assert newcomer.sees("h6") is MemberState.ALIVE


def test_death_is_found_and_told_in_a_crowd() -> None:
    world, hosts, attacker = pool()
    for round_ in range(3):
        crowd(hosts, attacker, incarnation=1 + round_)
        world.run(5)
    world.kill(hosts[5])
    took = world.run_until(lambda: all(host.sees("h6") is MemberState.DEAD for host in hosts[:5]), within=120)
    # Each second turn is for those that have answered: 12 s for a round of six, and a suspicion in a pool of 300.
    assert took < 60
    assert not any(isinstance(e, MemberFailed) and e.name in ("h1", "h2") for host in hosts for e in host.events)


def test_invented_members_die_of_their_silence_and_are_forgotten() -> None:
    world, hosts, attacker = pool()
    crowd(hosts, attacker)
    world.run_until(lambda: all(len(host.serf._swim.table) == len(hosts) for host in hosts), within=900)
    assert all(one.sees(other.settings.name) is MemberState.ALIVE for one in hosts for other in hosts)


def test_one_that_answers_in_many_names_gets_a_few_places_of_the_last_quarter() -> None:
    world, hosts, attacker = pool()
    crowd(hosts, attacker)

    def answer(data: bytes, source: Address) -> None:
        for message in unpack_datagram(data, keyring=KEY).messages:
            if isinstance(message, Ping):
                for host in hosts:
                    if host.address == source:
                        attacker.tell(host, Ack(message.seq_no))

    world.outsiders[HOME] = answer
    for round_ in range(40):
        names = [f"sybil-{round_}-{n}" for n in range(20)]
        for host in hosts:
            attacker.tell(host, *(Alive(1, name, HOME.raw_host, PORT, b"", OUR_VERSION) for name in names))
        world.run(0.2)
    listed = sum(record.name.startswith("sybil") for record in hosts[0].serf._swim.table)
    assert 0 < listed <= newcomers.MAX_OF_ONE_HOST
    records = tuple(RemoteRecord(f"s-{n}", HOME.raw_host, PORT, b"", 1, 0, OUR_VERSION) for n in range(100))
    attacker.exchange(hosts[0], PushPull(True, records, b""))
    assert len(hosts[0].serf._swim.table) <= CROWDED + newcomers.MAX_OF_ONE_HOST
    newcomer = world.start("h9", join=["h1"], keyring=KEY)
    world.run_until(lambda: hosts[0].sees("h9") is newcomer.sees("h1") is MemberState.ALIVE, within=30)


def test_ping_to_a_newcomer_is_alone_and_few_are_under_way() -> None:
    world, hosts, attacker = pool()
    crowd(hosts, attacker)
    sent: list[tuple[bytes, Address]] = []
    stranger = Address("192.0.2.7", PORT)
    world.outsiders[stranger] = lambda data, source: sent.append((data, source))
    lies = [Alive(1, f"far-{n}", stranger.raw_host, PORT, b"", OUR_VERSION) for n in range(500)]
    world.run(1.5)  # Those asked before have had their time.
    for first in range(0, 500, 100):
        attacker.tell(hosts[0], *lies[first : first + 100])
    world.run(0.1)
    assert 0 < len(sent) <= newcomers.MAX_ASKED
    assert all([type(one) for one in unpack_datagram(data, keyring=KEY).messages] == [Ping] for data, _ in sent)
