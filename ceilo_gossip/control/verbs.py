"""The verbs of an agent's socket: which arguments each takes, what it asks of the agent, and how long it may take.

The table `VERBS` is the whole of it. Arguments are read before anything is asked, so a verb with a wrong argument has
done nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.arguments import ArgumentError, Arguments
from ceilo_gossip.control.requests import (
    FINGERPRINT_LENGTH,
    AskRequest,
    EventRequest,
    ForceLeaveRequest,
    KeyOperation,
    KeysRequest,
    Kind,
    MembersRequest,
    MonitorRequest,
    ReachabilityRequest,
    RoundTripRequest,
    VerdictRequest,
)
from ceilo_gossip.control.source import Answer, End, OperatorSource, Parts

MAX_NAME = 255  # Bytes of a member's name.
MAX_PAYLOAD = 1024  # Bytes: Serf's limit for a whole query; an event's is lower, and the pool says so.
MAX_FILTERS = 64  # Far more names or tags than fit into Serf's 1024 bytes of a query.
MAX_KEY = 64  # Bytes; keys have 16, 24 or 32.
MAX_QUERY_TIMEOUT = 600.0  # Seconds, the core's own limit; Serf's default is 6.4 s for twenty members.
MAX_RELAY_FACTOR = 255  # One byte on the wire.
ANSWER_LIMIT = 5.0  # Seconds for what the agent knows itself.
ASKING_LIMIT = 2 * MAX_QUERY_TIMEOUT + 10.0  # Seconds for what members are asked: keys are looked at, then changed.
LEAVE_LIMIT = 15.0  # Seconds; the agent's own limit for a good-bye is shorter.


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.

    start: reads the arguments, raising `ArgumentError`, and returns the parts of the answer to come.
    is_change: it changes something, here or in the pools, so that it is worth a line in the log.
    limit: seconds for the whole answer; None goes on until the caller has enough.
    """

    start: Callable[[OperatorSource, Arguments], Parts]
    is_change: bool = False
    limit: float | None = ANSWER_LIMIT


def _members(given: Arguments) -> MembersRequest:
    return MembersRequest(networks=given.networks("networks"))


def _verdict(given: Arguments) -> VerdictRequest:
    return VerdictRequest(host=given.optional_host("host"))


def _round_trip(given: Arguments) -> RoundTripRequest:
    return RoundTripRequest(
        host=given.text("host", most=MAX_NAME),
        other=given.optional_text("other", most=MAX_NAME),
        networks=given.networks("networks"),
    )


def _keys(given: Arguments) -> KeysRequest:
    word = given.text("operation", most=64)
    if word not in tuple(KeyOperation):
        raise ArgumentError("operation", f"is {ascii(word)[:40]}", f"give one of {', '.join(KeyOperation)}")
    operation = KeyOperation(word)
    key, fingerprint = given.octets("key", most=MAX_KEY), given.optional_text("fingerprint", most=FINGERPRINT_LENGTH)
    if operation is KeyOperation.LIST and (key is not None or fingerprint is not None):
        raise ArgumentError("key", "is given", "leave it out to list every key")
    if operation is not KeyOperation.LIST and (key is None) == (fingerprint is None):
        raise ArgumentError("key", "is missing, or not alone", f"give the key to {operation}, or its fingerprint")
    return KeysRequest(
        operation=operation,
        key=key,
        fingerprint=fingerprint,
        networks=given.networks("networks"),
        show_keys=given.flag("show_keys"),
        force=given.flag("force"),
    )


def _event(given: Arguments) -> EventRequest:
    return EventRequest(
        name=given.text("name", most=MAX_NAME),
        payload=given.octets("payload", most=MAX_PAYLOAD) or b"",
        network=given.network("network", default=Network.MANAGEMENT),
        coalesce=given.flag("coalesce", default=True),
    )


def _query(given: Arguments) -> AskRequest:
    return AskRequest(
        name=given.text("name", most=MAX_NAME),
        payload=given.octets("payload", most=MAX_PAYLOAD) or b"",
        network=given.network("network", default=Network.MANAGEMENT),
        members=given.texts("members", most=MAX_FILTERS, longest=MAX_NAME),
        tags=given.pairs("tags", most=MAX_FILTERS, longest=MAX_PAYLOAD),
        relay_factor=given.whole("relay_factor", low=0, high=MAX_RELAY_FACTOR, default=0),
        timeout=given.seconds("timeout", low=0.1, high=MAX_QUERY_TIMEOUT),
        wants_ack=given.flag("wants_ack", default=True),
    )


def _reachability(given: Arguments) -> ReachabilityRequest:
    return ReachabilityRequest(networks=given.networks("networks"))


def _monitor(given: Arguments) -> MonitorRequest:
    kinds = given.choices("kinds", Kind)
    return MonitorRequest(networks=given.networks("networks"), kinds=frozenset(map(Kind, kinds)))


def _force_leave(given: Arguments) -> ForceLeaveRequest:
    return ForceLeaveRequest(
        host=given.text("host", most=MAX_NAME), networks=given.networks("networks"), prune=given.flag("prune")
    )


_Request = TypeVar("_Request")


def _at_once(
    read: Callable[[Arguments], _Request],
    ask: Callable[[OperatorSource, _Request], Awaitable[Answer]],
    *,
    limit: float = ANSWER_LIMIT,
    is_change: bool = False,
) -> Verb:
    """A verb with one answer."""

    async def parts(source: OperatorSource, request: _Request) -> Parts:
        yield End(await ask(source, request))

    def start(source: OperatorSource, given: Arguments) -> Parts:
        request = read(given)
        given.finish()
        return parts(source, request)

    return Verb(start, is_change=is_change, limit=limit)


def _in_parts(
    read: Callable[[Arguments], _Request],
    ask: Callable[[OperatorSource, _Request], Parts],
    *,
    limit: float | None = ASKING_LIMIT,
    is_change: bool = False,
) -> Verb:
    """A verb whose answer comes in parts."""

    def start(source: OperatorSource, given: Arguments) -> Parts:
        request = read(given)
        given.finish()
        return ask(source, request)

    return Verb(start, is_change=is_change, limit=limit)


def _nothing(given: Arguments) -> None:
    """No arguments."""


VERBS: Final[Mapping[str, Verb]] = {
    "members": _at_once(_members, lambda source, request: source.members(request)),
    "verdict": _at_once(_verdict, lambda source, request: source.verdict(request)),
    "info": _at_once(_nothing, lambda source, _: source.info()),
    "rtt": _at_once(_round_trip, lambda source, request: source.round_trip(request)),
    "keys": _at_once(_keys, lambda source, request: source.keys(request), limit=ASKING_LIMIT, is_change=True),
    "event": _at_once(_event, lambda source, request: source.event(request), is_change=True),
    "query": _in_parts(_query, lambda source, request: source.query(request), is_change=True),
    "reachability": _at_once(_reachability, lambda source, request: source.reachability(request), limit=ASKING_LIMIT),
    "monitor": _in_parts(_monitor, lambda source, request: source.monitor(request), limit=None),
    "force-leave": _at_once(_force_leave, lambda source, request: source.force_leave(request), is_change=True),
    "leave": _in_parts(_nothing, lambda source, _: source.leave(), limit=LEAVE_LIMIT, is_change=True),
}
ALIASES: Final[Mapping[str, str]] = {"verdicts": "verdict"}  # What the verb was called in the first release.


def find(name: object) -> Verb | None:
    """Return the verb that is called so, None if there is none."""
    return VERBS.get(ALIASES.get(name, name)) if isinstance(name, str) else None
