"""The verdict's way over the wire and back, for any verdict and for any damage on the way."""

import dataclasses
import datetime
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ceilo_gossip.contract.errors import ContractError
from ceilo_gossip.contract.networks import Condition, Network, NetworkState
from ceilo_gossip.contract.verdict import MAX_TEXT_LENGTH, NOTHING_LOST, Verdict, from_payload, to_payload

HOSTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True)
INSTANTS = st.datetimes(timezones=st.just(datetime.UTC)).map(datetime.datetime.isoformat)
COUNTS = st.integers(min_value=0, max_value=2**63 - 1)
VERDICTS = st.builds(
    Verdict,
    verdict_id=st.text(max_size=36),
    sequence=COUNTS,
    repeat=COUNTS,
    host=HOSTS,
    speaker=HOSTS,
    networks=st.fixed_dictionaries({network: st.sampled_from(NetworkState) for network in Network}),
    conditions=st.frozensets(st.sampled_from(Condition)),
    since=INSTANTS,
    first_suspicion_at=st.none() | INSTANTS,
    concluded_at=INSTANTS,
    reason=st.text(max_size=200),
    boot_id=st.text(max_size=36),
    role=st.sampled_from(["", "compute", "controller"]),
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(NetworkState),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@given(VERDICTS)
def test_verdict_comes_back_from_json_as_it_was_sent(verdict: Verdict) -> None:
    assert from_payload(json.loads(json.dumps(to_payload(verdict, project_id="p1")))) == verdict


@given(VERDICTS, st.text(min_size=MAX_TEXT_LENGTH, max_size=MAX_TEXT_LENGTH + 50))
def test_no_text_of_the_payload_is_longer_than_an_event_may_carry(verdict: Verdict, reason: str) -> None:
    payload = to_payload(dataclasses.replace(verdict, reason=reason), project_id="p1")
    assert max(len(value) for value in payload.values() if isinstance(value, str)) <= MAX_TEXT_LENGTH


@given(VERDICTS)
def test_unknown_is_never_reported_as_lost(verdict: Verdict) -> None:
    lost = set() if verdict.lost == NOTHING_LOST else set(verdict.lost.split("+"))
    assert lost == {str(network) for network, state in verdict.networks.items() if state is NetworkState.DOWN}


@given(VERDICTS, st.data())
def test_damaged_payload_gives_a_verdict_or_a_contract_error_and_nothing_else(verdict: Verdict, data: Any) -> None:
    payload: dict[str, Any] = dict(to_payload(verdict, project_id="p1"))
    damaged = data.draw(st.sets(st.sampled_from(sorted(payload)), min_size=1, max_size=3))
    for name in sorted(damaged):
        if data.draw(st.booleans()):
            del payload[name]
        else:
            payload[name] = data.draw(JSON_VALUES)
    try:
        rebuilt = from_payload(payload)
    except ContractError as error:
        assert error.place in {*damaged, "networks"}
    else:
        assert all(rebuilt.networks[network] == payload[network] for network in Network)
