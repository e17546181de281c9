"""How the queries of others are acknowledged and answered: straight to the asker, once, and through others if asked.

An answer travels in a single packet that nobody repeats. A query may therefore ask that copies are relayed through
other members (`relay_factor`); as in Serf only by members that understand it, and only in a pool of more members
than relays. Deviations: at most MAX_RELAYS are used whatever is asked, and the asker is none of them.

Nothing is remembered: a `QueryReceived` carries all that its answer needs, and the asker ignores a second one.
"""

import random
from collections import Counter
from collections.abc import Callable

from ceilo_gossip.serf.events import QueryReceived
from ceilo_gossip.serf.queries import MAX_RESPONSE_LENGTH, MAX_TIMEOUT
from ceilo_gossip.serf.roster import Roster, SerfStatus
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.serf_codec import encode_serf
from ceilo_gossip.wire.serf_messages import RESPONSE_IS_ACK, Query, QueryResponse, Relay

# One packet of 1 KB makes every member send two packets to each relay; beyond this nothing gets more certain.
MAX_RELAYS = 16
# Members of this memberlist protocol understand relays; Serf asks for the same.
_RELAY_PROTOCOL = 5


def received(query: Query, now: float) -> QueryReceived:
    """The query as its receiver's owner sees it; its deadline is capped, so that the asker cannot bind us for ever."""
    return QueryReceived(
        id=query.id,
        ltime=query.ltime,
        name=query.name,
        payload=query.payload,
        source=query.source,
        deadline=now + min(query.timeout_ns / 1e9, MAX_TIMEOUT),
        at=now,
        reply_to=query.reply_to,
        relay_factor=query.relay_factor,
    )


class Answering:
    """Sends acknowledgements and answers."""

    def __init__(
        self,
        name: str,
        address: Address,
        roster: Roster,
        rng: random.Random,
        counters: Counter[str],
        *,
        send: Callable[[bytes, Address], None],
        deliver: Callable[[QueryResponse, float], None],
    ) -> None:
        """name, address: our own. send: a packet to somebody. deliver: to ourselves, when we have asked."""
        self._name = name
        self._address = address
        self._roster = roster
        self._rng = rng
        self._counters = counters
        self._send = send
        self._deliver = deliver

    def acknowledge(self, query: QueryReceived, now: float) -> None:
        """Say that the query has come."""
        self._respond(query, QueryResponse(query.ltime, query.id, self._name, RESPONSE_IS_ACK, b""), now)

    def answer(self, query: QueryReceived, payload: bytes, now: float) -> bool:
        """Answer; False when the deadline is over. `ValueError` when the answer does not fit."""
        if now > query.deadline:
            return False
        response = self._response(query, payload)
        length = len(encode_serf(response))
        if length > MAX_RESPONSE_LENGTH:
            raise ValueError(f"the answer has {length} bytes encoded; {MAX_RESPONSE_LENGTH} fit")
        self._respond(query, response, now)
        return True

    def fits(self, query: QueryReceived, payload: bytes) -> bool:
        """Whether an answer is short enough."""
        return len(encode_serf(self._response(query, payload))) <= MAX_RESPONSE_LENGTH

    def _response(self, query: QueryReceived, payload: bytes) -> QueryResponse:
        return QueryResponse(query.ltime, query.id, self._name, 0, payload)

    def _respond(self, query: QueryReceived, response: QueryResponse, now: float) -> None:
        if query.reply_to == self._address:
            # Our own query: a packet to ourselves could be lost, and would tell nobody anything.
            self._deliver(response, now)
            return
        encoded = encode_serf(response)
        self._send(encoded, query.reply_to)
        if query.relay_factor:
            self._relay(query, encoded)

    def _relay(self, query: QueryReceived, encoded: bytes) -> None:
        if len(self._roster) < query.relay_factor + 1:
            return
        relay = encode_serf(Relay(query.reply_to, query.source, encoded))
        if len(relay) > MAX_RESPONSE_LENGTH:
            self._counters["relays_over_length"] += 1
            return
        records = [entry.record for entry in self._roster if entry.status is SerfStatus.ALIVE]
        able = [
            record.address
            for record in records
            if record.state is MemberState.ALIVE
            and record.protocol_limit >= _RELAY_PROTOCOL
            and record.address not in (self._address, query.reply_to)
        ]
        for address in self._rng.sample(able, min(query.relay_factor, MAX_RELAYS, len(able))):
            self._send(relay, address)
