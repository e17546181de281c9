"""Whatever is said to the agent's socket becomes a request that keeps its bounds, or one printable sentence."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ceilo_gossip.control.arguments import ArgumentError
from ceilo_gossip.control.protocol import MAX_REQUEST_BYTES, read_request
from ceilo_gossip.control.requests import AskRequest, EventRequest, KeyOperation, KeysRequest
from ceilo_gossip.control.source import FakeOperatorSource, RefusalError
from ceilo_gossip.control.verbs import MAX_NAME, MAX_PAYLOAD, VERBS
from ceilo_gossip.serf.queries import MAX_TIMEOUT

FLAGS = ["show_keys", "force", "coalesce", "wants_ack", "prune"]
LISTS = ["networks", "members", "tags", "kinds"]
TEXTS = ["network", "host", "other", "operation", "key", "fingerprint", "name", "payload"]
ARGUMENTS = [*FLAGS, *LISTS, *TEXTS, "relay_factor", "timeout"]
WORDS = st.sampled_from(["storage", "list", "use", "verdict", "cmp-1", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA==", "deadbeef"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300) | WORDS,
    lambda children: st.lists(children, max_size=5) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=10,
)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_line_is_a_request_or_a_sentence(line: bytes) -> None:
    try:
        read_request(line)
    except RefusalError as error:
        assert str(error).isprintable()


@given(
    verb=st.sampled_from(list(VERBS)),
    arguments=st.dictionaries(st.sampled_from(ARGUMENTS) | st.text(max_size=20), VALUES, max_size=6),
)
def test_any_arguments_are_a_request_or_a_sentence_that_names_one(verb: str, arguments: dict[str, Any]) -> None:
    line = json.dumps({"verb": verb, "arguments": arguments}).encode()
    if len(line) > MAX_REQUEST_BYTES:
        return
    request = read_request(line)
    try:
        request.verb.start(FakeOperatorSource(), request.arguments)
    except ArgumentError as error:
        assert str(error).isprintable() and str(error).startswith("argument ") and len(str(error)) < 500


@given(
    arguments=st.fixed_dictionaries(
        {"name": st.text(min_size=1, max_size=300) | WORDS},
        optional={
            "payload": WORDS | st.text(max_size=10),
            "timeout": st.floats() | st.integers(),
            "members": st.lists(st.text(max_size=300), max_size=70),
            "tags": st.lists(st.tuples(WORDS, WORDS), max_size=3),
            "relay_factor": st.integers(-10, 300),
        },
    )
)
def test_query_that_is_let_through_keeps_the_bounds(arguments: dict[str, Any]) -> None:
    request = read_request(json.dumps({"verb": "query", "arguments": arguments}).encode())
    made: list[AskRequest] = []

    class Source(FakeOperatorSource):
        def query(self, request: AskRequest) -> Any:
            made.append(request)

    try:
        request.verb.start(Source(), request.arguments)
    except ArgumentError:
        return
    (query,) = made
    assert 1 <= len(query.name.encode()) <= MAX_NAME and len(query.payload) <= MAX_PAYLOAD
    assert query.timeout is None or 0 < query.timeout <= MAX_TIMEOUT
    assert 0 <= query.relay_factor <= 255 and len(query.members) <= 64


def test_requests_with_secrets_do_not_show_them() -> None:
    assert "secret" not in repr(KeysRequest(operation=KeyOperation.USE, key=b"secret"))
    assert "secret" not in repr(EventRequest(name="x", payload=b"secret"))
