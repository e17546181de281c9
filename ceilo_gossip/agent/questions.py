"""The queries that this agent has asked and somebody here waits for: who asked gets each ack and answer, and the end.

A pool tells of acks and answers as events, in the order in which they came; here they find the one who waits. What a
pool tells about one query is bounded by the pool itself: at most two of each member, and its deadline.
"""

import asyncio
from collections.abc import Callable, Mapping

from ceilo_gossip.agent.port import PoolPort
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.source import RefusalError
from ceilo_gossip.serf.events import Event, QueryAcked, QueryAnswered, QueryFinished
from ceilo_gossip.serf.queries import QueryRequest

Reply = QueryAcked | QueryAnswered | QueryFinished


class Question:
    """One query under way. An asynchronous iterator over the replies; a `QueryFinished` is the last. Close it."""

    def __init__(self, network: Network, forget: Callable[[], object]) -> None:
        self.network = network
        self._forget = forget
        self._replies: asyncio.Queue[Reply | None] = asyncio.Queue()
        self._is_over = False

    def offer(self, reply: Reply) -> None:
        """A reply has come."""
        self._replies.put_nowait(reply)

    def end(self) -> None:
        """No more replies will come: the agent ends."""
        self._replies.put_nowait(None)

    def close(self) -> None:
        """Nobody waits any more; later replies are nobody's."""
        self._forget()

    def __aiter__(self) -> "Question":
        return self

    async def __anext__(self) -> Reply:
        if self._is_over:
            raise StopAsyncIteration
        reply = await self._replies.get()
        if reply is None:
            self._is_over = True
            raise StopAsyncIteration
        self._is_over = isinstance(reply, QueryFinished)
        return reply


class Questions:
    """All queries under way, of all pools."""

    def __init__(self, pools: Mapping[Network, PoolPort]) -> None:
        self._pools = pools
        self._open: dict[tuple[Network, int], Question] = {}

    def ask(self, network: Network, request: QueryRequest) -> Question:
        """Ask the pool of `network`; `RefusalError` if it cannot be asked."""
        pool = self._pools.get(network)
        if pool is None:
            raise RefusalError(f"this agent takes no part in the {network} network")
        try:
            number = pool.query(request)
        except ValueError as error:
            raise RefusalError(f"the query cannot be asked: {error}") from error
        question = Question(network, lambda: self._open.pop((network, number), None))
        self._open[network, number] = question
        return question

    def handle(self, network: Network, event: Event) -> None:
        """A pool tells something; what is no reply to a question of ours is ignored."""
        if isinstance(event, QueryAcked | QueryAnswered | QueryFinished):
            question = self._open.get((network, event.id))
            if question is not None:
                question.offer(event)

    def close(self) -> None:
        """The agent ends: whoever waits is told."""
        for question in self._open.values():
            question.end()
