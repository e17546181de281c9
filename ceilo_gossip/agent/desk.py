"""Where an operator's questions and orders are taken: each is carried to the part of the agent that can answer it."""

import asyncio
import contextlib
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oslo_log import log

from ceilo_gossip.agent.farewell import Farewell
from ceilo_gossip.agent.happenings import Item, dated, payload_fields
from ceilo_gossip.agent.keywork import KeyWork
from ceilo_gossip.agent.port import PoolPort
from ceilo_gossip.agent.questions import Question, Questions
from ceilo_gossip.agent.views import STATE_WORDS, Views
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.feed import Feed
from ceilo_gossip.control.requests import (
    AskRequest,
    EventRequest,
    ForceLeaveRequest,
    KeysRequest,
    MembersRequest,
    MonitorRequest,
    ReachabilityRequest,
    RoundTripRequest,
    VerdictRequest,
)
from ceilo_gossip.control.source import Answer, End, Parts, RefusalError
from ceilo_gossip.serf.events import QueryAcked, QueryAnswered
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.serf_messages import TagFilter

LOG = log.getLogger(__name__)

PING = "_serf_ping"  # Serf's own query that every member acknowledges and nobody answers.
# Seconds from a death here until everybody has found it out: news of it travels within one, and in a pool of a thousand
# a member that hears it believes it after half its own shortest suspicion, six seconds.
SETTLED_AFTER = 30.0
AFTER_ALL_ACKED = 0.5  # Seconds in which those believed dead may still show that they are not.


class Desk:
    """Implements `control.source.OperatorSource`.

    counters: of the outbox and of the socket, by name. leave: begins our good-bye.
    """

    def __init__(
        self,
        *,
        pools: Mapping[Network, PoolPort],
        views: Views,
        questions: Questions,
        feed: Feed,
        farewell: Farewell,
        counters: Mapping[str, Callable[[], Mapping[str, int]]],
        leave: Callable[[], None],
        clock: Callable[[], float],
        wall: Callable[[], datetime.datetime],
    ) -> None:
        self._pools = pools
        self._views = views
        self._questions = questions
        self._keywork = KeyWork(pools, questions)
        self._feed = feed
        self._farewell = farewell
        self._counters = counters
        self._leave = leave
        self._clock = clock
        self._wall = wall

    # Looking.

    async def members(self, request: MembersRequest) -> Answer:
        """Return the members of each pool as gossip sees them."""
        return self._views.members(request)

    async def verdict(self, request: VerdictRequest) -> Answer:
        """Return, for display, the state of each host on each network, or one host in detail."""
        return self._views.verdict(request)

    async def info(self) -> Answer:
        """Return what this agent is and how it fares."""
        return self._views.info() | {name: dict(read()) for name, read in self._counters.items()}

    async def round_trip(self, request: RoundTripRequest) -> Answer:
        """Return the estimated round trip between two hosts on each network."""
        return self._views.round_trip(request)

    async def monitor(self, request: MonitorRequest) -> Parts:
        """Tell what happens, until the agent ends."""

        def is_wanted(item: Answer) -> bool:
            is_there = "network" not in item or item["network"] in request.networks
            return is_there and (not request.kinds or item["kind"] in request.kinds)

        listener = self._feed.listen(is_wanted)
        try:
            yield dated({"kind": "begin", "agent": self._views.host}, self._wall())
            async for item in listener:
                yield item
        finally:
            listener.close()
        yield End({"reason": "the agent ends"})

    # Asking members.

    async def query(self, request: AskRequest) -> Parts:
        """Ask the members of a pool, and pass on each ack and answer."""
        asked_at = self._clock()
        acks = answers = 0
        with contextlib.closing(self._questions.ask(request.network, _query(request))) as question:
            async for reply in question:
                if not isinstance(reply, QueryAcked | QueryAnswered):
                    break
                item: Item = {"member": reply.member, "after_ms": round((reply.at - asked_at) * 1000, 1)}
                if isinstance(reply, QueryAcked):
                    acks += 1
                    yield {"kind": "ack", **item}
                else:
                    answers += 1
                    yield {"kind": "answer", **item, **payload_fields(reply.payload)}
        yield End(
            {
                "network": str(request.network),
                "acks": acks,
                "answers": answers,
                "living": len(self._living(request.network)),
                "seconds": round(self._clock() - asked_at, 1),
            }
        )

    async def reachability(self, request: ReachabilityRequest) -> Answer:
        """Ask every member of each pool to answer."""
        networks = [network for network in request.networks if network in self._pools]
        with contextlib.ExitStack() as open_questions:
            asked = []
            for network in networks:
                question = self._questions.ask(network, QueryRequest(PING))
                open_questions.callback(question.close)
                asked.append(self._reach(network, question))
            found = await asyncio.gather(*asked)
        return {"agent": self._views.host, "networks": dict(zip(map(str, networks), found, strict=True))}

    async def _reach(self, network: Network, question: Question) -> dict[str, Any]:
        living = self._living(network)
        acks: set[str] = set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as patience:
                async for reply in question:
                    if isinstance(reply, QueryAcked):
                        acks.add(reply.member)
                    if living <= acks and patience.when() is None:
                        patience.reschedule(asyncio.get_running_loop().time() + AFTER_ALL_ACKED)
        members = self._pools[network].members()
        unexpected = {name: STATE_WORDS[members[name].state] if name in members else "no member" for name in acks}
        return {
            "known": len(members),
            "living": len(living),
            "acked": len(acks & living),
            "silent": sorted(living - acks),
            "unexpected": {name: unexpected[name] for name in sorted(acks - living)},
        }

    # Changing.

    async def keys(self, request: KeysRequest) -> Answer:
        """Look at, or change, the keyrings of all members."""
        return {"agent": self._views.host, **await self._keywork.do(request)}

    async def event(self, request: EventRequest) -> Answer:
        """Send a user event."""
        try:
            ltime = self._pool(request.network).send_event(request.name, request.payload, coalesce=request.coalesce)
        except ValueError as error:
            raise RefusalError(f"the event cannot be sent: {error}") from error
        LOG.info("User event %r sent on %s by an operator", request.name, request.network)
        return {"network": str(request.network), "ltime": ltime}

    async def force_leave(self, request: ForceLeaveRequest) -> Answer:
        """Have the pools count a failed host as left."""
        networks = [network for network in request.networks if network in self._pools]
        self._check_settled(request.host, networks)
        done = {network: self._pools[network].force_leave(request.host, prune=request.prune) for network in networks}
        if not any(done.values()):
            raise RefusalError(
                f"{request.host} has failed on none of {', '.join(done)}, so nothing was changed; a host that "
                "is alive leaves by `ceilo-gossip leave` over there"
            )
        LOG.warning(
            "%s is called left on %s by an operator%s; its verdict does not change",
            request.host,
            ", ".join(network for network, is_done in done.items() if is_done),
            " and forgotten" if request.prune else "",
        )
        return {"host": request.host, "networks": {str(network): is_done for network, is_done in done.items()}}

    def _check_settled(self, host: str, networks: Sequence[Network]) -> None:
        """Refuse what is too early: an agent that does not miss the host yet would take the order for its good-bye."""
        for network in networks:
            member = self._pools[network].members().get(host)
            if member is None or member.state is not MemberState.DEAD:
                continue
            failed_for = self._clock() - member.changed_at
            if failed_for < SETTLED_AFTER:
                raise RefusalError(
                    f"{host} has failed on {network} for {failed_for:.0f} s only, and others may not miss it yet; they "
                    "would take an order now for its own good-bye, and it would not be recovered. Wait for "
                    f"{SETTLED_AFTER:.0f} s"
                )

    async def leave(self) -> Parts:
        """Leave every pool in good order; the agent's process then ends."""
        self._leave()
        async with contextlib.aclosing(self._farewell.networks()) as networks:
            async for network in networks:
                yield {"network": str(network)}
        yield End({"missing": sorted(map(str, self._farewell.missing))})

    def _pool(self, network: Network) -> PoolPort:
        if network not in self._pools:
            raise RefusalError(f"this agent takes no part in the {network} network")
        return self._pools[network]

    def _living(self, network: Network) -> frozenset[str]:
        members = self._pools[network].members() if network in self._pools else {}
        states = (MemberState.ALIVE, MemberState.SUSPECT)
        return frozenset(name for name, member in members.items() if member.state in states)


def _query(request: AskRequest) -> QueryRequest:
    try:
        return QueryRequest(
            request.name,
            request.payload,
            members=request.members,
            tags=tuple(TagFilter(tag, expression) for tag, expression in request.tags),
            wants_ack=request.wants_ack,
            relay_factor=request.relay_factor,
            timeout=request.timeout,
        )
    except ValueError as error:
        raise RefusalError(f"the query cannot be asked: {error}") from error
