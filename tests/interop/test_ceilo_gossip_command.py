"""`ceilo-gossip` as an operator uses it: three agents of ours and one of Serf's, in processes of their own.

Everything is done with the commands themselves: ours on our hosts, `serf` on the fourth.
"""

import asyncio
import contextlib
import json
import os
import signal
import stat
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.wire.keyring import Keyring
from tests.support.agent_process import LIMIT, SUBNETS, AgentProcess, until
from tests.support.mixed_pool import loopback_of_its_own
from tests.support.serf_agent import RealAgent

pytestmark = pytest.mark.timeout(300)

NAMES = ("ctl-1", "ctl-2", "ctl-3")
REAL = "real-1"
FAILED = ("--status", "failed")
KEY = bytes(range(32))


class Cloud:
    """Three hosts of ours on three networks; Serf's agent is on the storage network only."""

    def __init__(self, directory: Path) -> None:
        keyring = Keyring([KEY])
        self.agents = [
            AgentProcess(name, number, directory, keyring=keyring, witnesses=NAMES)
            for number, name in enumerate(NAMES, 1)
        ]
        self.real = RealAgent(REAL, f"{SUBNETS[Network.STORAGE]}.9", directory, keyring=keyring, profile="lan")
        self.real._options.append("-event-handler=query:uptime=echo up 3 days")

    async def start(self) -> None:
        for agent in self.agents:
            agent.start()
        await asyncio.gather(*(self.until_all_alive(agent, NAMES) for agent in self.agents))
        await self.real.start(join=f"{SUBNETS[Network.STORAGE]}.1")
        await asyncio.gather(*(self.until_all_alive(agent, (*NAMES, REAL)) for agent in self.agents))

    async def until_all_alive(self, agent: AgentProcess, names: tuple[str, ...]) -> None:
        """Wait until the agent has these alive on storage, and ours everywhere."""
        wanted = {(str(network), name) for network in Network for name in names if name in NAMES}
        wanted |= {("storage", name) for name in names}

        def is_so(answer: Any) -> bool:
            alive = {(m["network"], m["host"]) for m in answer["members"] if m["state"] == "alive"}
            return wanted <= alive

        await agent.until(is_so, "members")

    def kill(self) -> None:
        for agent in self.agents:
            agent.kill()
        self.real.kill()


def run(story: Coroutine[Any, Any, None]) -> None:
    """Live through a story in a network namespace of its own."""
    with loopback_of_its_own():
        asyncio.run(story)


@contextlib.asynccontextmanager
async def cloud_in(directory: Path) -> AsyncIterator[Cloud]:
    """A cloud that runs; at the end none of its processes does."""
    cloud = Cloud(directory)
    try:
        await cloud.start()
        yield cloud
    finally:
        cloud.kill()


def test_operator_looks_and_asks(tmp_path: Path) -> None:
    async def story() -> None:
        async with cloud_in(tmp_path) as cloud:
            first, second, _ = cloud.agents
            await looks(first)
            await asks_members(first, cloud.real)
            await sends_events(first, second, cloud.real)

    run(story())


async def looks(agent: AgentProcess) -> None:
    """members, verdict, info, rtt."""
    chosen = await agent.ask("members", "--network", "storage", "--name", "real.*", "--status", "alive")
    assert [member["host"] for member in chosen["members"]] == [REAL]
    controllers = await agent.ask("members", "--network", "tunnel", "--tag", "role=controller")
    assert [member["host"] for member in controllers["members"]] == list(NAMES)
    ups = dict.fromkeys(map(str, Network), "up")
    await agent.until(
        lambda answer: all(row["networks"] == ups for row in answer["hosts"] if row["host"] in NAMES), "verdict"
    )
    one = (await agent.ask("verdict", "ctl-2"))["host"]
    assert (one["networks"], one["says_it_is_on"]) == (ups, list(map(str, Network)))
    assert {found["member"]["state"] for found in one["evidence"].values()} == {"alive"}
    info = await agent.ask("info")
    assert info["is_encrypted"] is True and info["witnesses"] == list(NAMES)
    storage = info["pools"]["storage"]
    assert (storage["alive"], storage["known"], storage["protocols"]) == (4, 4, {"memberlist": 2, "serf": 5})
    assert storage["keys"] == ["630dcd29"]

    def is_estimated(answer: Any) -> bool:
        estimate = answer["networks"]["storage"]["estimated_ms"]
        return estimate is not None and 0.0 < estimate < 1000.0

    await agent.until(is_estimated, "rtt", REAL)
    await agent.until(is_estimated, "rtt", REAL, "ctl-2", "--network", "storage")
    code, _, error = await agent.run("verdict", "nobody")
    assert code == 1 and "nothing is known about nobody" in error
    code, table, _ = await agent.run("members", "--detailed")
    assert code == 0 and REAL in table and "\x1b" not in table, "no colours in a pipe"


async def asks_members(agent: AgentProcess, real: RealAgent) -> None:
    """reachability and query: ours acknowledge, Serf's answers too."""
    reached = await agent.ask("reachability")
    assert reached["is_well"] is True
    assert reached["networks"]["storage"] == {"known": 4, "living": 4, "acked": 4, "silent": [], "unexpected": {}}
    code, out, error = await agent.run(
        "query", "uptime", "now", "--network", "storage", "--timeout", "3", "--relay-factor", "1", "-f", "json"
    )
    assert code == 0, error
    items = [json.loads(line) for line in out.splitlines()]
    assert {item["member"] for item in items if item["kind"] == "ack"} == {*NAMES, REAL}
    assert [(i["member"], i["payload"]) for i in items if i["kind"] == "answer"] == [(REAL, "up 3 days\n")]
    assert (items[-1]["acks"], items[-1]["answers"]) == (4, 1)
    one = await agent.run("query", "uptime", "--network=storage", "--member=ctl-2", "--timeout=1", "-f", "json")
    assert [json.loads(line).get("member") for line in one[1].splitlines()] == ["ctl-2", None]
    code, out, _ = await agent.run("query", "uptime", "--network=storage", "--tag=role=^contr", "--timeout=1")
    assert code == 0 and out.splitlines()[-1].startswith("storage: 3 acks and 0 answers in 1.0 s; 4 members alive")


async def sends_events(first: AgentProcess, second: AgentProcess, real: RealAgent) -> None:
    """Events and queries of either kind reach a monitor on another host, and Serf's agent."""
    with second.monitored("--network", "storage") as monitor:
        await monitor.until(lambda item: item["kind"] == "begin")
        sent = await first.ask("event", "deploy", "v7", "--network", "storage")
        assert sent["network"] == "storage"
        told = await monitor.until(lambda item: item["kind"] == "user")
        assert (told["name"], told["payload"], told["network"]) == ("deploy", "v7", "storage")
        await until(lambda: "deploy" in real.log, "Serf's agent has the event")
        await real.ask("event", "-coalesce=false", "from-serf", "hello")
        await monitor.until(lambda item: item.get("name") == "from-serf" and item["payload"] == "hello")
        await real.ask("query", "-timeout=1s", "who", "there")
        asked = await monitor.until(lambda item: item["kind"] == "query")
        assert (asked["name"], asked["payload"], asked["by"]) == ("who", "there", REAL)
        assert monitor.interrupt() == 0
    code, _, error = await first.run("event", "big", "x" * 600)
    assert code == 1 and "512" in error


def test_operator_changes_the_keys(tmp_path: Path) -> None:
    async def story() -> None:
        async with cloud_in(tmp_path) as cloud:
            await changes_keys(cloud, tmp_path)

    run(story())


async def changes_keys(cloud: Cloud, directory: Path) -> None:
    first, second, third = cloud.agents
    file = directory / "new.key"
    installed = await first.ask("keys", "install", "--generate", "--key-file", str(file))
    assert installed["has_succeeded"] is True
    assert {network: found["answered"] for network, found in installed["networks"].items()} == {
        "management": 3,
        "storage": 4,
        "tunnel": 3,
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    new = file.read_text().strip()
    listed = await first.ask("keys", "list")
    old_name = listed["networks"]["storage"]["keys"][0]["fingerprint"]
    new_name = listed["networks"]["storage"]["keys"][1]["fingerprint"]
    assert old_name == "630dcd29" and new not in json.dumps(listed)
    assert new in json.dumps(await second.ask("keys", "list", "--show-keys"))

    # One pool alone; a step too early is refused there, and nothing is changed.
    code, _, error = await first.run("keys", "remove", old_name)
    assert code == 1 and "the key is still in use at" in error
    assert (await first.ask("keys", "use", new_name, "--network", "tunnel"))["has_succeeded"] is True
    storage_keys = (await second.ask("info"))["pools"]["storage"]["keys"]
    tunnel_keys = (await second.ask("info"))["pools"]["tunnel"]["keys"]
    assert (storage_keys, tunnel_keys) == ([old_name, new_name], [new_name, old_name])

    # A restart in the middle, with a keyring file that knows nothing of it.
    third.send(signal.SIGTERM)
    await until(lambda: third.exit_status == 0, "the agent has left")
    third.start()
    await cloud.until_all_alive(first, NAMES)
    await cloud.until_all_alive(third, NAMES)
    assert (await third.ask("info"))["pools"]["tunnel"]["keys"] == [new_name, old_name]

    # The rest, with the key on standard input, and then from Serf's side.
    code, out, error = await first.run("keys", "use", stdin=new)
    assert code == 0, out + error
    assert new not in out + error
    assert (await first.ask("keys", "remove", old_name))["has_succeeded"] is True
    assert new in await cloud.real.ask("keys", "-list")
    for agent in cloud.agents:
        info = await agent.ask("info")
        assert [pool["keys"] for pool in info["pools"].values()] == [[new_name]] * 3
        for network in Network:
            stored = agent.directory / "state" / "keyrings" / f"{network}.json"
            assert stat.S_IMODE(stored.stat().st_mode) == 0o600
            assert json.loads(stored.read_text())["keys"] == [new]
        assert set((await agent.states(Network.STORAGE)).values()) == {"alive"}
        assert new not in agent.log

    # A replaced keyring file counts from the next start on.
    third.configure_keys(Keyring.from_json(json.dumps([new])))
    third.send(signal.SIGTERM)
    await until(lambda: third.exit_status == 0, "the agent has left")
    third.start()
    await cloud.until_all_alive(third, (*NAMES, REAL))
    assert "keyring_file holds other keys than before" in third.log


def test_operator_ends_memberships(tmp_path: Path) -> None:
    async def story() -> None:
        async with cloud_in(tmp_path) as cloud:
            await ends_memberships(cloud)

    run(story())


async def ends_memberships(cloud: Cloud) -> None:
    first, second, third = cloud.agents
    code, _, error = await first.run("force-leave", "ctl-3")
    assert code == 1 and "ctl-3 has failed on none of" in error

    with first.monitored() as monitor:
        await monitor.until(lambda item: item["kind"] == "begin")
        third.kill()
        await monitor.until(lambda item: item["kind"] == "member-failed" and item["host"] == "ctl-3")
        downs = dict.fromkeys(map(str, Network), "down")
        await monitor.until(
            lambda item: item["kind"] == "verdict" and item["host"] == "ctl-3" and item.get("networks") == downs
        )
        await first.until(lambda answer: len(answer["members"]) == 3, "members", *FAILED)
        code, _, error = await first.run("force-leave", "ctl-3")
        assert code == 1 and "Wait for 30 s" in error
        await first.until(lambda answer: all(m["for_seconds"] > 30 for m in answer["members"]), "members", *FAILED)
        forced = await first.ask("force-leave", "ctl-3")
        assert forced["networks"] == dict.fromkeys(map(str, Network), True)
        await first.until(lambda answer: len(answer["members"]) == 3, "members", "--status", "left")
        await second.until(lambda answer: len(answer["members"]) == 3, "members", "--status", "left")
        await monitor.until(lambda item: item["kind"] == "verdict" and "called left" in item["reason"])
    assert '"left"' in await cloud.real.ask("members", "-format=json")
    for agent in (first, second):
        host = (await agent.ask("verdict", "ctl-3"))["host"]
        assert host["networks"] == downs, "the verdict on a dead host stays"
        assert "its verdict stays" in agent.log
    assert (await first.ask("reachability"))["is_well"] is True

    code, out, error = await second.run("leave")
    assert code == 2 and "give --yes" in error
    began = time.monotonic()
    code, out, error = await second.run("leave", "--yes")
    assert code == 0, error
    assert {line for line in out.splitlines() if line.startswith("left ")} == {f"left {n}" for n in Network}
    await until(lambda: second.exit_status is not None, "the agent that was asked to leave ends")
    assert second.exit_status == 0 and time.monotonic() - began < LIMIT
    assert not second.socket.exists()
    assert f"leave, by user {os.getuid()}" in second.log
    await first.until(
        lambda answer: {m["host"] for m in answer["members"]} == {"ctl-2", "ctl-3"}, "members", "--status", "left"
    )
    code, _, error = await second.run("members")
    assert code == 1 and "no agent serves" in error
