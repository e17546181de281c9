"""One network of hosts with a link each, whose packets are dropped where a test says, and a mixed pool on it.

A packet comes into the switch at the port of its sender; there, and nowhere else, nft decides whether it is lost. So a
fault is a set of (sender, receiver) pairs: both pairs of two hosts cut them apart, all pairs of one sender silence it,
all pairs of one receiver deafen it. Hosts keep their links up and their ARP entries, as behind a broken switch.
"""

import contextlib
import itertools
import json
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.mixed_pool import MixedPool
from tests.support.our_member import OurMember
from tests.support.private_networks import Namespace, Networks, private_networks
from tests.support.serf_agent import LIMIT, RealAgent

_NETWORK = "gossip"
_TABLE = "faults"
EVERYTHING = 100


class GossipNetwork:
    """The network. Hosts are known by their addresses, as members are."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._names = {networks.address(name, _NETWORK): name for name in networks.hosts}
        self._faults: dict[tuple[str, str], str] = {}

    @property
    def hosts(self) -> Sequence[str]:
        """The address of each."""
        return tuple(self._names)

    def space(self, host: str) -> Namespace:
        """Where what runs on this host lives."""
        return self._networks.hosts[self._names[host]]

    def lose(
        self, senders: Iterable[str], receivers: Iterable[str], *, udp_only: bool = False, percent: int = EVERYTHING
    ) -> None:
        """Lose so many of the packets from each of the senders to each of the receivers, besides what is lost already.

        A pair for which that was said before loses what is said now.
        """
        what = ("meta l4proto udp " if udp_only else "") + (
            "" if percent == EVERYTHING else f"numgen random mod 100 < {percent} "
        )
        for sender, receiver in itertools.product(senders, receivers):
            if sender != receiver:
                self._faults[sender, receiver] = what
        self._apply()

    def cut(self, left: Iterable[str], right: Iterable[str]) -> None:
        """Nothing passes between the two sides any more."""
        left, right = list(left), list(right)
        self.lose(left, right)
        self.lose(right, left)

    def silence(self, host: str) -> None:
        """Nothing that this host sends arrives."""
        self.lose([host], self.hosts)

    def deafen(self, host: str) -> None:
        """Nothing arrives at this host."""
        self.lose(self.hosts, [host])

    def heal(self) -> None:
        """Nothing is lost any more; what was counted is forgotten."""
        self._faults.clear()
        self._apply()

    def lost(self) -> Mapping[tuple[str, str], int]:
        """How many packets each pair has lost since its faults last changed."""
        listed = json.loads(self._nft("-j", "list", "table", "netdev", _TABLE))["nftables"]
        counted: dict[tuple[str, str], int] = {}
        for rule in (item["rule"] for item in listed if "rule" in item):
            found = {key: value for part in rule["expr"] for key, value in part.items()}
            sender, receiver = rule["comment"].split()
            counted[sender, receiver] = found["counter"]["packets"]
        return counted

    def _apply(self) -> None:
        chains: dict[str, list[str]] = {}
        for (sender, receiver), what in self._faults.items():
            rule = f'ip daddr {receiver} {what}counter drop comment "{sender} {receiver}"'
            chains.setdefault(sender, []).append(rule)
        # `add` first: deleting a table that is not there is an error, adding one that is there is none.
        lines = [f"add table netdev {_TABLE}", f"delete table netdev {_TABLE}", f"table netdev {_TABLE} {{"]
        for sender, rules in chains.items():
            number = list(self._networks.hosts).index(self._names[sender])
            lines.append(f"chain from_{number} {{")
            lines += [f'type filter hook ingress device "{_NETWORK}-{number}" priority 0;', *rules, "}"]
        self._nft("-f", "-", text="\n".join([*lines, "}", ""]))

    def _nft(self, *words: str, text: str | None = None) -> str:
        with self._networks.switch.entered():
            done = subprocess.run(["nft", *words], input=text, capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 0, f"nft {' '.join(words)}: {done.stderr}\n{text}"
        return done.stdout


class NetworkedPool(MixedPool):
    """A mixed pool whose members have a host each on `network`; nobody lives on the hosts `spare`."""

    def __init__(
        self, directory: Path, network: GossipNetwork, *, real: int, ours: int, key: bytes | None, profile: str
    ) -> None:
        hosts = network.hosts
        super().__init__(
            directory,
            real=hosts[:real],
            ours=hosts[real : real + ours],
            key=key,
            profile=profile,
            space=network.space,
        )
        self.network = network
        self.spare = hosts[real + ours :]

    @property
    def in_turn(self) -> Sequence[RealAgent | OurMember]:
        """Everybody, one of each kind after the other as long as there are."""
        pairs = itertools.zip_longest(self.real, self.ours)
        return [one for pair in pairs for one in pair if one is not None]

    async def join(self) -> None:
        """Start all, each through the one before it, which is of the other kind as long as there are both."""
        before: list[str] = []
        for one in self.in_turn:
            await start(one, before)
            before = [one.host]
        await self.until_all_alive()

    @property
    def news_limit(self) -> float:
        """Seconds until news has reached everybody: agents gossip so little that now and then a push/pull must help."""
        return self.settings.push_pull_interval + LIMIT

    async def until_all_alive(self, *, limit: float | None = None) -> None:
        """Wait until everybody sees everybody alive, and nobody else."""
        expected = {one.name: "alive" for one in self.everybody}
        await self.until_seen(expected, by=self.everybody, limit=self.news_limit if limit is None else limit)


async def start(one: RealAgent | OurMember, through: Sequence[str], tags: Mapping[str, str] | None = None) -> None:
    """Start a member of either kind; it joins through these hosts."""
    if isinstance(one, RealAgent):
        await one.start(tags=tags, join=through[0] if through else None)
    else:
        await one.start(tags=tags, join=through)


@contextlib.contextmanager
def gossip_network(hosts: int) -> Iterator[GossipNetwork]:
    """Lend a network of so many hosts."""
    with private_networks([_NETWORK], [f"h{number}" for number in range(1, hosts + 1)]) as networks:
        yield GossipNetwork(networks)


@contextlib.asynccontextmanager
async def networked_pool(
    directory: Path, *, real: int, ours: int, spare: int = 0, key: bytes | None = None, profile: str = "lan"
) -> AsyncIterator[NetworkedPool]:
    """Lend a pool of which nobody runs yet; at the end nobody does any more.

    directory: for logs and keyrings. key: None for a pool without encryption. profile: "lan" or "local".
    """
    with gossip_network(real + ours + spare) as network:
        pool = NetworkedPool(directory, network, real=real, ours=ours, key=key, profile=profile)
        try:
            yield pool
        finally:
            await pool.end()
