"""What an operator asks and orders: real members in virtual time where members answer, fakes elsewhere."""

import asyncio
import datetime
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from ceilo_gossip.agent import happenings
from ceilo_gossip.agent.answers import Identity
from ceilo_gossip.agent.desk import SETTLED_AFTER, Desk
from ceilo_gossip.agent.farewell import Farewell
from ceilo_gossip.agent.port import FakePool, PoolPort
from ceilo_gossip.agent.questions import Questions
from ceilo_gossip.agent.views import Views
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.feed import Feed
from ceilo_gossip.control.requests import (
    AskRequest,
    EventRequest,
    ForceLeaveRequest,
    KeysRequest,
    Kind,
    MembersRequest,
    MonitorRequest,
    ReachabilityRequest,
    RoundTripRequest,
    VerdictRequest,
)
from ceilo_gossip.control.source import Answer, End, Parts, RefusalError
from ceilo_gossip.health.announcer import Announcer
from ceilo_gossip.health.events import LateLeave, QuorumMoved
from ceilo_gossip.health.quorum import QuorumPhase
from ceilo_gossip.health.settings import AnnouncerSettings
from ceilo_gossip.health.sighting import HostFacts, Presence
from ceilo_gossip.serf.events import (
    KeyringChanging,
    MemberFailed,
    MemberSuspected,
    QueryAcked,
    QueryReceived,
    UserEventReceived,
)
from ceilo_gossip.serf.member import Member
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.keyring import Keyring
from tests.support.agent_settings import agent_settings
from tests.support.gossip_world import GossipWorld
from tests.support.judging import World as Judging
from tests.support.world_pool import WorldPool, live

pytestmark = pytest.mark.asyncio

WALL = datetime.datetime(2026, 1, 31, 12, 0, tzinfo=datetime.UTC)
STORAGE = (Network.STORAGE,)


def member(name: str, state: MemberState = MemberState.ALIVE) -> Member:
    return Member(
        name=name,
        address=Address("192.0.2.7", 7946),
        tags={"role": "compute"},
        state=state,
        incarnation=3,
        changed_at=90.0,
        last_ack_at=99.0,
        round_trip=0.0012345,
        suspected_at=None,
    )


class Office:
    """The desk of ctl-1 (or h1, in a gossip world), with whatever pools it is given."""

    def __init__(self, pools: Mapping[Network, PoolPort] | None = None) -> None:
        self.judging = Judging()
        self.fakes = {network: FakePool(network) for network in Network}
        pools = self.fakes if pools is None else pools
        self.questions = Questions(pools)
        self.feed = Feed()
        self.farewell = Farewell(pools)
        self.leaves = 0
        self.announcer = Announcer(AnnouncerSettings(own="ctl-1", speakers=2, repeat_interval=10.0))
        facts = HostFacts(role="controller", boot_id="b1", networks=frozenset(Network))
        views = Views(
            agent_settings(host="ctl-1"),
            Identity(facts=facts, version="1.2.3", run="run"),
            pools=pools,
            judge=self.judging.judge,
            announcer=self.announcer,
            clock=lambda: self.judging.now,
        )
        self.desk = Desk(
            pools=pools,
            views=views,
            questions=self.questions,
            feed=self.feed,
            farewell=self.farewell,
            counters={"outbox": lambda: {"waiting": 2}, "control": lambda: {"lost_callers": 1}},
            leave=self._leave,
            clock=lambda: self.judging.now,
            wall=lambda: WALL,
        )

    def _leave(self) -> None:
        self.leaves += 1


async def whole(parts: Parts) -> tuple[list[Answer], Answer]:
    """The items and the end."""
    items: list[Answer] = []
    async for part in parts:
        if isinstance(part, End):
            return items, part.answer
        items.append(part)
    raise AssertionError("it has no end")


class Gossip:
    """An office whose storage pool is the real core: h1 of four hosts."""

    def __init__(self) -> None:
        self.world = GossipWorld()
        self.hosts = self.world.start_pool(4)
        self.world.run_until(lambda: all(len(host.members()) == 4 for host in self.hosts), within=10)
        self.pools = {Network.STORAGE: WorldPool(self.world, self.hosts[0])}
        self.office = Office(self.pools)

    def answer(self) -> None:
        """Two of the others answer whatever they are asked."""
        for host in self.hosts[1:3]:
            for asked in [e for e in host.events if isinstance(e, QueryReceived)]:
                host.events.remove(asked)
                self.world.act(host, lambda serf: serf.answer(asked, b"up\xff", self.world.now))  # noqa: B023

    async def ask(self, parts: Any) -> Any:
        return await live(self.world, self.pools, parts, on_event=self.office.questions.handle, on_turn=self.answer)


# Looking.


async def test_members_are_shown_network_by_network_in_serfs_words() -> None:
    office = Office()
    office.fakes[Network.TUNNEL].known = {"b": member("b", MemberState.DEAD), "a": member("a")}
    office.fakes[Network.STORAGE].known = {"a": member("a", MemberState.SUSPECT)}
    answer = await office.desk.members(MembersRequest())
    assert [(m["network"], m["host"], m["state"]) for m in answer["members"]] == [
        ("storage", "a", "suspect"),
        ("tunnel", "a", "alive"),
        ("tunnel", "b", "failed"),
    ]
    first = answer["members"][0]
    assert (first["round_trip_ms"], first["for_seconds"], first["answered_seconds_ago"]) == (1.23, 10.0, 1.0)
    assert (await office.desk.members(MembersRequest(networks=(Network.MANAGEMENT,))))["members"] == []


async def test_verdict_on_one_host_tells_what_the_pools_say_and_who_speaks() -> None:
    office = Office()
    office.judging.kill("cmp-1", STORAGE)
    conclusion = office.judging.judge.conclusions()["cmp-1"]
    office.announcer.handle_candidates({"ctl-1", "ctl-2", "ctl-3"}, office.judging.now)
    office.announcer.handle_conclusion(conclusion, office.judging.now)
    office.fakes[Network.STORAGE].known = {"cmp-1": member("cmp-1", MemberState.DEAD)}
    host = (await office.desk.verdict(VerdictRequest(host="cmp-1")))["host"]
    assert host["networks"] == {"management": "up", "storage": "down", "tunnel": "up"}
    assert "no answer for" in host["reason"] and "no answer for" in host["evidence"]["storage"]["why"]
    assert host["evidence"]["storage"]["member"]["state"] == "failed"
    assert host["evidence"]["tunnel"] == {"why": "answers", "is_open": False, "member": None}
    assert len(host["speakers"]) == 2 and set(host["speakers"]) <= {"ctl-1", "ctl-2", "ctl-3"}
    assert host["suspected_seconds_ago"] >= 4.0


async def test_verdict_on_all_hosts_has_this_one_among_them() -> None:
    answer = await Office().desk.verdict(VerdictRequest())
    assert [row["host"] for row in answer["hosts"]] == ["cmp-1", "cmp-2", "cmp-3", "ctl-1", "ctl-2", "ctl-3"]
    assert (await Office().desk.verdict(VerdictRequest(host="ctl-1")))["host"]["reason"] == "this host"


async def test_host_that_nobody_knows_is_refused_with_where_to_look() -> None:
    with pytest.raises(RefusalError, match="nothing is known about cmp-77; `ceilo-gossip verdict` lists"):
        await Office().desk.verdict(VerdictRequest(host="cmp-77"))


async def test_info_has_each_pool_and_every_counter() -> None:
    answer = await Office().desk.info()
    assert (answer["agent"], answer["version"], answer["witnesses"]) == ("ctl-1", "1.2.3", ["ctl-1", "ctl-2", "ctl-3"])
    assert answer["outbox"] == {"waiting": 2} and answer["control"] == {"lost_callers": 1}
    assert list(answer["pools"]) == ["management", "storage", "tunnel"]


async def test_round_trip_is_estimated_on_each_network_where_both_are() -> None:
    office = Office()
    office.fakes[Network.STORAGE].known = {"a": member("a"), "b": member("b"), "ctl-1": member("ctl-1")}
    office.fakes[Network.STORAGE].round_trips = {("a", "b"): 0.0004, ("ctl-1", "a"): 0.0002}
    between = await office.desk.round_trip(RoundTripRequest(host="a", other="b", networks=STORAGE))
    assert between["networks"] == {"storage": {"estimated_ms": 0.4, "measured_ms": None}}
    from_here = await office.desk.round_trip(RoundTripRequest(host="a"))
    assert (from_here["from"], from_here["to"]) == ("ctl-1", "a")
    assert from_here["networks"]["storage"] == {"estimated_ms": 0.2, "measured_ms": 1.23}
    assert from_here["networks"]["tunnel"] == {"estimated_ms": None, "measured_ms": None}
    with pytest.raises(RefusalError, match="c is no member here"):
        await office.desk.round_trip(RoundTripRequest(host="a", other="c"))


# Asking members.


async def test_query_passes_on_each_ack_and_answer_and_sums_up() -> None:
    gossip = Gossip()
    items, end = await gossip.ask(
        whole(gossip.office.desk.query(AskRequest(name="uptime", payload=b"?", network=Network.STORAGE)))
    )
    assert {item["member"] for item in items if item["kind"] == "ack"} == {"h1", "h2", "h3", "h4"}
    answers = [item for item in items if item["kind"] == "answer"]
    assert {item["member"] for item in answers} == {"h2", "h3"}
    assert all((item["payload"], item["payload_base64"]) == (None, "dXD/") for item in answers)
    assert (end["network"], end["acks"], end["answers"], end["living"]) == ("storage", 4, 2, 4)


async def test_query_to_one_member_without_acks_is_answered_by_that_one_only() -> None:
    gossip = Gossip()
    request = AskRequest(name="q", network=Network.STORAGE, members=("h3",), wants_ack=False, timeout=1.0)
    items, end = await gossip.ask(whole(gossip.office.desk.query(request)))
    assert [(item["kind"], item["member"]) for item in items] == [("answer", "h3")]
    assert (end["acks"], end["answers"]) == (0, 1)


async def test_query_that_does_not_fit_is_refused() -> None:
    gossip = Gossip()
    with pytest.raises(RefusalError, match="1024 fit"):
        await gossip.ask(
            whole(gossip.office.desk.query(AskRequest(name="q", payload=bytes(1024), network=Network.STORAGE)))
        )
    with pytest.raises(RefusalError, match="takes no part in the tunnel network"):
        await whole(gossip.office.desk.query(AskRequest(name="q", network=Network.TUNNEL)))


async def test_query_ends_when_the_agent_does() -> None:
    gossip = Gossip()
    asking = asyncio.ensure_future(
        whole(gossip.office.desk.query(AskRequest(name="q", network=Network.STORAGE, timeout=60.0)))
    )
    await asyncio.sleep(0)
    gossip.office.questions.close()
    items, end = await asking
    assert items == [] and end["acks"] == 0


async def test_everybody_who_is_alive_is_reached() -> None:
    gossip = Gossip()
    found = await gossip.ask(gossip.office.desk.reachability(ReachabilityRequest()))
    assert found["networks"] == {"storage": {"known": 4, "living": 4, "acked": 4, "silent": [], "unexpected": {}}}


async def test_member_that_does_not_answer_though_it_is_believed_alive_is_silent() -> None:
    gossip = Gossip()
    gossip.world.pause(gossip.hosts[3])
    found = await gossip.ask(gossip.office.desk.reachability(ReachabilityRequest(networks=STORAGE)))
    assert found["networks"]["storage"]["silent"] == ["h4"]
    assert found["networks"]["storage"]["acked"] == 3


async def test_member_that_answers_though_it_is_believed_dead_is_unexpected() -> None:
    office = Office()
    pool = office.fakes[Network.STORAGE]
    pool.known = {"a": member("a"), "b": member("b", MemberState.DEAD)}
    asking = asyncio.ensure_future(office.desk.reachability(ReachabilityRequest(networks=STORAGE)))
    await asyncio.sleep(0)
    for name in ("b", "a", "c"):
        office.questions.handle(Network.STORAGE, QueryAcked(1, name, 1.0))
    found = (await asking)["networks"]["storage"]
    assert (found["silent"], found["unexpected"]) == ([], {"b": "failed", "c": "no member"})


# Changing.


async def test_event_is_sent_on_the_network_that_is_named() -> None:
    office = Office()
    answer = await office.desk.event(EventRequest(name="deploy", payload=b"7", network=Network.TUNNEL, coalesce=False))
    assert answer == {"network": "tunnel", "ltime": 1}
    assert office.fakes[Network.TUNNEL].events == [("deploy", b"7", False)]
    office.fakes[Network.TUNNEL].refuses = "the event has 600 bytes; 512 fit"
    with pytest.raises(RefusalError, match="600 bytes; 512 fit"):
        await office.desk.event(EventRequest(name="deploy", network=Network.TUNNEL))


async def test_force_leave_is_done_where_the_host_has_failed_and_leaves_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    office = Office()
    office.fakes[Network.STORAGE].failed = {"cmp-1"}
    answer = await office.desk.force_leave(ForceLeaveRequest(host="cmp-1", prune=True))
    assert answer["networks"] == {"management": False, "storage": True, "tunnel": False}
    assert office.fakes[Network.STORAGE].forced == [("cmp-1", True)]
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "cmp-1 is called left on storage by an operator and forgotten; its verdict" in record.getMessage()


async def test_force_leave_waits_until_everybody_misses_the_host() -> None:
    """An agent that does not miss it yet would take the order for the host's own good-bye."""
    office = Office()
    pool = office.fakes[Network.STORAGE]
    pool.failed, pool.known = {"cmp-1"}, {"cmp-1": member("cmp-1", MemberState.DEAD)}
    with pytest.raises(RefusalError, match=r"has failed on storage for 10 s only.*Wait for 30 s"):
        await office.desk.force_leave(ForceLeaveRequest(host="cmp-1"))
    assert all(fake.forced == [] for fake in office.fakes.values())
    office.judging.now += 20.0
    assert (await office.desk.force_leave(ForceLeaveRequest(host="cmp-1")))["networks"]["storage"] is True


async def test_force_leave_of_a_host_that_has_not_failed_is_refused() -> None:
    with pytest.raises(RefusalError, match="cmp-1 has failed on none of management, storage, tunnel"):
        await Office().desk.force_leave(ForceLeaveRequest(host="cmp-1"))


async def test_force_leave_through_a_real_pool_changes_no_verdict() -> None:
    """The whole way: the pool calls the dead host left, the judge is told so, and says DOWN as before."""
    gossip = Gossip()
    judging = gossip.office.judging
    judging.see("h4", STORAGE, Presence.ALIVE)
    judging.kill("h4", STORAGE)
    gossip.world.kill(gossip.hosts[3])
    gossip.world.run_until(lambda: gossip.hosts[0].sees("h4") is MemberState.DEAD, within=30)
    gossip.world.run(SETTLED_AFTER + 0.1)
    judging.now = gossip.world.now
    await gossip.office.desk.force_leave(ForceLeaveRequest(host="h4"))
    assert gossip.hosts[0].sees("h4") is MemberState.LEFT
    judging.see("h4", STORAGE, Presence.LEFT)
    judging.pass_time(60.0, step=1.0)
    assert (await gossip.office.desk.verdict(VerdictRequest(host="h4")))["host"]["networks"]["storage"] == "down"


async def test_keys_of_pools_in_plain_text_are_refused() -> None:
    from ceilo_gossip.control.requests import KeyOperation

    with pytest.raises(RefusalError, match="not encrypted"):
        await Office().desk.keys(KeysRequest(operation=KeyOperation.LIST))


async def test_leave_tells_each_network_as_it_is_left() -> None:
    office = Office()
    leaving = asyncio.ensure_future(whole(office.desk.leave()))
    await asyncio.sleep(0)
    assert office.leaves == 1
    for network in (Network.TUNNEL, Network.STORAGE, Network.MANAGEMENT):
        office.farewell.said(network)
    assert await leaving == (
        [{"network": "tunnel"}, {"network": "storage"}, {"network": "management"}],
        {"missing": []},
    )


async def test_leave_that_is_not_heard_everywhere_says_where() -> None:
    office = Office()
    leaving = asyncio.ensure_future(whole(office.desk.leave()))
    await asyncio.sleep(0)
    office.farewell.said(Network.TUNNEL)
    office.farewell.give_up()
    assert await leaving == ([{"network": "tunnel"}], {"missing": ["management", "storage"]})


# Telling.


async def test_monitor_tells_what_is_asked_for_until_the_agent_ends() -> None:
    office = Office()
    request = MonitorRequest(networks=STORAGE, kinds=frozenset({Kind.FAILED, Kind.VERDICT}))
    monitoring = asyncio.ensure_future(whole(office.desk.monitor(request)))
    await asyncio.sleep(0)
    for item in (
        {"kind": Kind.FAILED, "network": Network.STORAGE, "host": "a"},
        {"kind": Kind.FAILED, "network": Network.TUNNEL, "host": "b"},
        {"kind": Kind.JOIN, "network": Network.STORAGE, "host": "c"},
        {"kind": Kind.VERDICT, "host": "d"},
    ):
        office.feed.publish(item)
    office.feed.close()
    items, end = await monitoring
    assert [item.get("host", item.get("agent")) for item in items] == ["ctl-1", "a", "d"]
    assert end == {"reason": "the agent ends"}
    assert not office.feed.has_listeners


async def test_happenings_are_plain_data() -> None:
    query = QueryReceived(1, 1, "_serf_use-key", b"secret", "ctl-2", 9.0, 1.0, Address("192.0.2.2", 7946))
    told = [
        happenings.from_pool(Network.STORAGE, event)
        for event in (
            MemberFailed("a", 1.0, None),
            MemberSuspected("a", 1.0, "b"),
            UserEventReceived("deploy", b"now", 4, 1.0),
            KeyringChanging(query, Keyring([b"k" * 16]), 1.0),
            QueryAcked(1, "a", 1.0),
        )
    ]
    assert told == [
        {"kind": "member-failed", "network": "storage", "host": "a"},
        {"kind": "member-suspect", "network": "storage", "host": "a", "by": "b"},
        {
            "kind": "user",
            "network": "storage",
            "name": "deploy",
            "ltime": 4,
            "payload": "now",
            "payload_base64": "bm93",
        },
        {"kind": "keyring", "network": "storage", "by": "ctl-2", "name": "use-key", "keys": ["ee6321d7"]},
        None,
    ]


async def test_what_the_judge_says_is_told_and_what_it_asks_is_not() -> None:
    judging = Judging()
    judging.kill("cmp-1", STORAGE)
    told = [item for event in judging.take() if (item := happenings.from_judge(event)) is not None]
    verdicts = [item for item in told if item["kind"] == "verdict" and item["networks"]["storage"] == "down"]
    assert [(item["host"], item["before"]["storage"]) for item in verdicts] == [("cmp-1", "up")]
    moved = happenings.from_judge(QuorumMoved(Network.STORAGE, QuorumPhase.HELD, QuorumPhase.LOST))
    assert moved == {"kind": "quorum", "network": "storage", "before": "held", "after": "lost"}
    assert happenings.from_judge(QuorumMoved(Network.STORAGE, QuorumPhase.RESTING, QuorumPhase.ASKING)) is None
    late = happenings.from_judge(LateLeave(Network.STORAGE, "cmp-1"))
    assert late is not None and (late["kind"], late["host"]) == ("verdict", "cmp-1")
