"""What the verbs of the socket take as arguments, and how clearly they refuse the rest."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.arguments import ArgumentError
from ceilo_gossip.control.protocol import read_request
from ceilo_gossip.control.requests import (
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
from ceilo_gossip.control.source import FakeOperatorSource
from ceilo_gossip.control.verbs import VERBS

KEY = bytes(range(32))
KEY_TEXT = base64.b64encode(KEY).decode()
PAYLOAD = base64.b64encode(b"\x00now").decode()


async def asked(verb: str, arguments: Mapping[str, Any]) -> object:
    """What the agent is asked by a verb with these arguments."""
    source = FakeOperatorSource()
    request = read_request(json.dumps({"verb": verb, "arguments": arguments}).encode())
    async for _ in request.verb.start(source, request.arguments):
        pass
    (found,) = source.asked
    return found


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("verb", "arguments", "request_made"),
    [
        ("members", {}, MembersRequest()),
        ("members", {"networks": []}, MembersRequest(networks=tuple(Network))),
        (
            "members",
            {"networks": ["tunnel", "management", "tunnel"]},
            MembersRequest(networks=(Network.MANAGEMENT, Network.TUNNEL)),
        ),
        ("verdict", {}, VerdictRequest()),
        ("verdict", {"host": None}, VerdictRequest()),
        ("verdict", {"host": "cmp-1"}, VerdictRequest(host="cmp-1")),
        ("info", {}, None),
        ("rtt", {"host": "a"}, RoundTripRequest(host="a")),
        ("rtt", {"host": "a", "other": "b"}, RoundTripRequest(host="a", other="b")),
        ("keys", {"operation": "list"}, KeysRequest(operation=KeyOperation.LIST)),
        (
            "keys",
            {"operation": "install", "key": KEY_TEXT, "networks": ["storage"]},
            KeysRequest(operation=KeyOperation.INSTALL, key=KEY, networks=(Network.STORAGE,)),
        ),
        (
            "keys",
            {"operation": "use", "fingerprint": "0123abcd", "force": True},
            KeysRequest(operation=KeyOperation.USE, fingerprint="0123abcd", force=True),
        ),
        ("event", {"name": "deploy"}, EventRequest(name="deploy")),
        (
            "event",
            {"name": "deploy", "payload": PAYLOAD, "network": "tunnel", "coalesce": False},
            EventRequest(name="deploy", payload=b"\x00now", network=Network.TUNNEL, coalesce=False),
        ),
        ("query", {"name": "uptime"}, AskRequest(name="uptime")),
        (
            "query",
            {
                "name": "uptime",
                "members": ["a b"],
                "tags": [["role", "^c"]],
                "timeout": 3,
                "relay_factor": 2,
                "wants_ack": False,
            },
            AskRequest(
                name="uptime", members=("a b",), tags=(("role", "^c"),), timeout=3.0, relay_factor=2, wants_ack=False
            ),
        ),
        ("reachability", {}, ReachabilityRequest()),
        ("monitor", {"kinds": ["verdict"]}, MonitorRequest(kinds=frozenset({Kind.VERDICT}))),
        ("force-leave", {"host": "cmp-9", "prune": True}, ForceLeaveRequest(host="cmp-9", prune=True)),
        ("leave", {}, None),
    ],
)
async def test_arguments_become_a_request(verb: str, arguments: Mapping[str, Any], request_made: object) -> None:
    assert await asked(verb, arguments) == request_made


@pytest.mark.parametrize(
    ("verb", "arguments", "error"),
    [
        ("members", {"network": "storage"}, "'network': is not known here; this verb takes networks"),
        ("info", {"x" * 500: 1}, "is not known here; this verb takes no arguments"),
        ("members", {"networks": "storage"}, "'networks': is 'storage'; give a list"),
        ("members", {"networks": ["lan"]}, "'networks': is 'lan'; give one of management, storage, tunnel"),
        ("members", {"networks": ["storage"] * 4}, "'networks': has 4 entries; give at most 3"),
        ("verdict", {"host": "cmp 1"}, "'host': 'cmp 1' is not a host name"),
        ("verdict", {"host": "\x1b[2J"}, "is not a host name"),
        ("verdict", {"host": 7}, "'host': is 7; give text"),
        ("rtt", {}, "'host': is missing"),
        ("rtt", {"host": ""}, "'host': has 0 bytes; give 1 to 255"),
        ("rtt", {"host": "\ud800"}, "'host': holds half a character"),
        ("keys", {}, "'operation': is missing"),
        ("keys", {"operation": "burn"}, "'operation': is 'burn'; give one of list, install, use, remove"),
        ("keys", {"operation": "list", "key": KEY_TEXT}, "'key': is given; leave it out"),
        ("keys", {"operation": "use"}, "'key': is missing, or not alone"),
        ("keys", {"operation": "use", "key": KEY_TEXT, "fingerprint": "01234567"}, "not alone"),
        ("keys", {"operation": "use", "key": "?"}, "'key': is not base64"),
        ("keys", {"operation": "use", "fingerprint": "0" * 9}, "'fingerprint': has 9 bytes"),
        ("keys", {"operation": "list", "show_keys": 1}, "'show_keys': is 1; give true or false"),
        ("event", {"name": "x", "payload": base64.b64encode(bytes(1025)).decode()}, "'payload': has 1025 bytes"),
        ("event", {"name": "x", "network": ["tunnel"]}, "'network': is ['tunnel']; give one of"),
        ("query", {"name": "x", "tags": [["role"]]}, "give a list of pairs"),
        ("query", {"name": "x", "tags": ["role=c"]}, "give a list of pairs"),
        ("query", {"name": "x", "members": ["m"] * 65}, "'members': has 65 entries; give at most 64"),
        ("query", {"name": "x", "timeout": 0}, "'timeout': is 0; give seconds within 0.1..600"),
        ("query", {"name": "x", "timeout": float("nan")}, "'timeout': is nan; give seconds"),
        ("query", {"name": "x", "timeout": True}, "'timeout': is True; give seconds"),
        ("query", {"name": "x", "relay_factor": 1.5}, "'relay_factor': is 1.5; give a whole number within 0..255"),
        ("query", {"name": "x", "relay_factor": 256}, "'relay_factor': is 256"),
        ("monitor", {"kinds": ["death"]}, "'kinds': names 'death'; known are member-join"),
        ("force-leave", {"networks": []}, "'host': is missing"),
    ],
)
def test_argument_that_is_refused_is_named_with_the_remedy(verb: str, arguments: Mapping[str, Any], error: str) -> None:
    source = FakeOperatorSource()
    request = read_request(json.dumps({"verb": verb, "arguments": arguments}).encode())
    with pytest.raises(ArgumentError) as caught:
        request.verb.start(source, request.arguments)
    assert error in str(caught.value)
    assert str(caught.value).isprintable()
    assert source.asked == []


def test_key_stands_neither_in_an_error_nor_in_a_repr() -> None:
    request = KeysRequest(operation=KeyOperation.INSTALL, key=KEY)
    assert repr(KEY) not in repr(request)
    bad = read_request(json.dumps({"verb": "keys", "arguments": {"operation": "use", "key": KEY_TEXT[1:]}}).encode())
    with pytest.raises(ArgumentError) as caught:
        bad.verb.start(FakeOperatorSource(), bad.arguments)
    assert KEY_TEXT[1:10] not in str(caught.value)


def test_verbs_that_change_something_are_those_that_are_logged() -> None:
    changing = {name for name, verb in VERBS.items() if verb.is_change}
    assert changing == {"keys", "event", "query", "force-leave", "leave"}


def test_only_a_monitor_has_no_limit() -> None:
    assert [name for name, verb in VERBS.items() if verb.limit is None] == ["monitor"]
