"""The keys of a pool are replaced while it runs: stored before they are used, and never shown by accident."""

import base64
from collections.abc import Callable

import pytest

from ceilo_gossip.serf.events import (
    KeyringChanging,
    MemberFailed,
    MemberSuspected,
    QueryAnswered,
    QueryFinished,
    QueryReceived,
)
from ceilo_gossip.serf.keys import install_key, list_keys, read_answer, remove_key, report, use_key
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.serf.rotation import MAX_WAITING
from ceilo_gossip.wire.errors import DecryptError
from ceilo_gossip.wire.keyring import MAX_KEYS, Keyring, KeyringError
from ceilo_gossip.wire.packet import unpack_datagram
from ceilo_gossip.wire.serf_codec import decode_serf, encode_serf
from ceilo_gossip.wire.serf_messages import KeyRequest, KeyResponse, LeaveIntent, Query, QueryResponse
from tests.support.gossip_world import GossipWorld, Host
from tests.support.serf_member import ASKER, LoneSerf

OLD, NEW, THIRD = b"o" * 32, b"n" * 32, b"t" * 16
RING = Keyring([OLD])


def in_base64(key: bytes) -> str:
    return base64.b64encode(key).decode()


class Asked(LoneSerf):
    """The member "me", which p5 asks about keys."""

    number = 0

    def ask(self, request: QueryRequest | str, *, payload: bytes | None = None, timeout: float = 5.0) -> int:
        name = request if isinstance(request, str) else request.name
        content = payload if payload is not None else request.payload if isinstance(request, QueryRequest) else b""
        self.number += 1
        self.hear_serf(
            Query(5, self.number, ASKER.raw_host, ASKER.port, "p5", (), 0, 0, int(timeout * 1e9), name, content)
        )
        return self.number

    def answers(self) -> list[KeyResponse]:
        """What has been answered since the last look."""
        responses = [decode_serf(m.payload) for m, _ in self.sent() if isinstance(m, QueryResponse)]
        return [response for response in responses if isinstance(response, KeyResponse)]

    def answer(self, request: QueryRequest | str, **options: bytes) -> KeyResponse:
        self.ask(request, **options)  # type: ignore[arg-type]
        (answer,) = self.answers()
        return answer

    def change(self) -> KeyringChanging:
        (event,) = [event for event in self.events() if isinstance(event, KeyringChanging)]
        return event


def stored(keyring: Keyring | None = RING) -> Asked:
    return Asked(keyring=keyring, options={"keyring_is_stored": True})


def not_stored(keyring: Keyring | None = RING) -> Asked:
    return Asked(keyring=keyring)


def test_changed_keyring_is_used_and_confirmed_only_when_it_is_stored() -> None:
    lone = stored()
    lone.ask(install_key(NEW))
    change = lone.change()
    assert change.keyring == Keyring([OLD, NEW])
    assert (change.query.name, change.query.source) == ("_serf_install-key", "p5")
    assert lone.answers() == [] and lone.serf.keyring == RING
    lone.now += 0.5
    lone.serf.key_stored(change, lone.now)
    assert lone.answers() == [KeyResponse(True, "")] and lone.serf.keyring == Keyring([OLD, NEW])
    lone.ask(use_key(NEW))
    lone.serf.key_stored(lone.change(), lone.now)
    assert lone.serf.keyring == Keyring([NEW, OLD])
    sent = lone.serf.datagrams_to_send(lone.now)
    assert sent
    for datagram in sent:
        unpack_datagram(datagram.data, keyring=Keyring([NEW]))
        with pytest.raises(DecryptError):
            unpack_datagram(datagram.data, keyring=RING)
    lone.keyring = Keyring([NEW])
    lone.ask(remove_key(OLD))
    lone.serf.key_stored(lone.change(), lone.now)
    lone.keyring = RING
    before = lone.serf.counters["datagrams_refused_DecryptError"]
    lone.hear_serf(LeaveIntent(1, "p2"))
    assert lone.serf.counters["datagrams_refused_DecryptError"] == before + 1, "the old key opens nothing any more"


def test_keyring_that_nobody_stores_is_used_and_confirmed_at_once() -> None:
    lone = not_stored()
    assert lone.answer(install_key(NEW)) == KeyResponse(True, "")
    assert lone.serf.keyring == Keyring([OLD, NEW])
    assert not any(isinstance(event, KeyringChanging) for event in lone.events())


def test_change_that_cannot_be_stored_is_refused_with_the_reason_and_changes_nothing() -> None:
    lone = stored()
    lone.ask(install_key(NEW))
    lone.serf.key_refused(lone.change(), "the disk is full" + "!" * 2000, lone.now)
    (answer,) = lone.answers()
    assert not answer.result and answer.message.startswith("the disk is full")
    assert lone.serf.keyring == RING


def test_changes_that_come_meanwhile_are_made_one_after_the_other_on_what_is_stored_then() -> None:
    lone = stored()
    first = lone.ask(install_key(NEW))
    lone.ask(use_key(NEW))
    lone.ask(install_key(THIRD))
    change = lone.change()
    assert change.query.id == first
    lone.serf.key_refused(change, "not now", lone.now)
    # Without the new key it cannot be used; the third is installed in what is there.
    assert [answer.result for answer in lone.answers()] == [False, False]
    later = lone.change()
    assert later.keyring == Keyring([OLD, THIRD])
    lone.serf.key_stored(later, lone.now)
    assert [answer.result for answer in lone.answers()] == [True]


def test_changes_that_wait_are_bounded_and_those_nobody_waits_for_are_dropped() -> None:
    lone = stored()
    lone.ask(install_key(NEW), timeout=1.0)
    for _ in range(MAX_WAITING):
        lone.ask(install_key(THIRD), timeout=1.0)
    assert lone.answers() == []
    refusal = lone.answer(install_key(THIRD))
    assert not refusal.result and "wait" in refusal.message
    change = lone.change()
    lone.now += 2
    lone.serf.key_stored(change, lone.now)
    assert lone.serf.keyring == Keyring([OLD, NEW]), "it is stored, so it is used, though nobody waits for the answer"
    assert lone.answers() == [] and lone.serf.counters["key_changes_late"] == MAX_WAITING
    assert not any(isinstance(event, KeyringChanging) for event in lone.events())


def test_change_that_is_not_with_the_owner_is_a_fault_of_the_owner() -> None:
    lone = stored()
    lone.ask(install_key(NEW))
    change = lone.change()
    lone.serf.key_stored(change, lone.now)
    with pytest.raises(AssertionError):
        lone.serf.key_stored(change, lone.now)


@pytest.mark.parametrize("make", [stored, not_stored])
@pytest.mark.parametrize("request_", [install_key(OLD), use_key(OLD), remove_key(THIRD)])
def test_what_changes_nothing_is_confirmed_without_the_owner(make: Callable[[], Asked], request_: QueryRequest) -> None:
    lone = make()
    assert lone.answer(request_) == KeyResponse(True, "")
    assert lone.serf.keyring == RING and not any(isinstance(event, KeyringChanging) for event in lone.events())


@pytest.mark.parametrize("make", [stored, not_stored])
@pytest.mark.parametrize(
    ("request_", "reason"),
    [(use_key(NEW), "not in the keyring"), (remove_key(OLD), "primary key cannot be removed")],
)
def test_impossible_change_is_refused(make: Callable[[], Asked], request_: QueryRequest, reason: str) -> None:
    lone = make()
    answer = lone.answer(request_)
    assert not answer.result and reason in answer.message and lone.serf.keyring == RING


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x07",
        b"junk",
        encode_serf(KeyRequest(b"short")),
        encode_serf(KeyResponse(True, "")),
        encode_serf(LeaveIntent(1, "p2")),
    ],
)
def test_request_that_holds_no_key_is_refused(payload: bytes) -> None:
    for name in ("_serf_install-key", "_serf_use-key"):
        lone = not_stored()
        answer = lone.answer(name, payload=payload)
        assert not answer.result and answer.message and lone.serf.keyring == RING


def test_keyring_that_is_full_takes_no_more() -> None:
    lone = not_stored(Keyring([bytes([number]) * 16 for number in range(MAX_KEYS)]))
    answer = lone.answer(install_key(NEW))
    assert not answer.result and str(MAX_KEYS) in answer.message


@pytest.mark.parametrize("request_", [install_key(NEW), use_key(NEW), remove_key(NEW), list_keys()])
def test_plain_pool_has_no_keys_and_says_so(request_: QueryRequest) -> None:
    lone = stored(None)
    answer = lone.answer(request_)
    assert not answer.result and "encryption is not enabled" in answer.message and lone.serf.keyring is None


def test_keys_are_listed_with_the_primary() -> None:
    lone = not_stored(Keyring([NEW, OLD]))
    for payload in (b"", list_keys().payload):
        answer = lone.answer("_serf_list-keys", payload=payload)
        assert (answer.result, answer.message) == (True, "")
        assert answer.keys == (in_base64(NEW), in_base64(OLD)) and answer.primary_key == in_base64(NEW)


def test_list_is_shown_while_a_change_is_stored_and_shows_what_is_used() -> None:
    lone = stored()
    lone.ask(install_key(NEW))
    assert lone.answer(list_keys()).keys == (in_base64(OLD),)


def test_list_that_does_not_fit_is_cut_and_says_so() -> None:
    ring = Keyring([bytes([number]) * 32 for number in range(MAX_KEYS)])
    lone = not_stored(ring)
    assert len(lone.answer(list_keys()).keys) == MAX_KEYS, "the usual name leaves room for all"
    lone = Asked(keyring=ring, options={"name": "x" * 250})
    lone.ask(list_keys())
    sent = [message for message, _ in lone.sent() if isinstance(message, QueryResponse)]
    assert len(sent) == 1 and len(encode_serf(sent[0])) <= 1024
    answer = decode_serf(sent[0].payload)
    assert isinstance(answer, KeyResponse) and answer.result
    assert 0 < len(answer.keys) < MAX_KEYS
    assert answer.message == f"truncated key list response, showing first {len(answer.keys)} of {MAX_KEYS} keys"


def test_no_key_stands_in_a_repr() -> None:
    lone = stored()
    lone.ask(install_key(NEW))
    change = lone.change()
    lone.serf.key_stored(change, lone.now)
    listed = QueryAnswered(1, "me", encode_serf(KeyResponse(True, "", (in_base64(NEW),), in_base64(NEW))), lone.now)
    shown = repr((change, change.query, install_key(NEW), listed, read_answer(listed), report([listed], members=1)))
    for secret in (in_base64(NEW), repr(NEW)[2:-1], in_base64(OLD), repr(OLD)[2:-1]):
        assert secret not in shown
    lone.serf.query(use_key(NEW), lone.now)
    assert not any(isinstance(event, QueryReceived) for event in lone.events()), "and the owner sees no key query"


def test_key_of_a_wrong_length_is_not_asked_about() -> None:
    for make in (install_key, use_key, remove_key):
        with pytest.raises(KeyringError, match="5 bytes"):
            make(b"short")


# The answers of a pool.


def test_answers_are_counted_by_key_and_by_reason() -> None:
    def said(member: str, response: KeyResponse) -> QueryAnswered:
        return QueryAnswered(1, member, encode_serf(response), 0.0)

    both = ("bmV3", "b2xk")
    answers = [
        said("a", KeyResponse(True, "", both, "bmV3")),
        said("b", KeyResponse(True, "truncated", ("bmV3", "bmV3"), "bmV3")),
        said("c", KeyResponse(False, "no \x1b[31mroom", (), "")),
        said("d", KeyResponse(False, "")),
        QueryAnswered(1, "e", b"\x08junk", 0.0),
        QueryAnswered(1, "f", encode_serf(KeyRequest(OLD)), 0.0),
        QueryAnswered(1, "g", b"", 0.0),
    ]
    summary = report(answers, members=8)
    assert summary.keys == {"bmV3": 2, "b2xk": 1} and summary.primary_keys == {"bmV3": 2}
    assert summary.remarks == {"b": "truncated"}
    assert set(summary.errors) == {"c", "d", "e", "f", "g"}
    assert summary.errors["c"] == "no ?[31mroom", "nothing of it reaches a terminal as more than text"
    assert (summary.answers, summary.members, summary.has_succeeded) == (7, 8, False)
    assert not report(answers[:1], members=2).has_succeeded, "a member that gave no answer has not done it"
    assert report(answers[:2], members=2).has_succeeded


def ask(world: GossipWorld, asker: Host, request: QueryRequest) -> int:
    numbers: list[int] = []
    world.act(asker, lambda serf: numbers.append(serf.query(request, world.now)))
    return numbers[0]


def answers_to(world: GossipWorld, asker: Host, number: int) -> list[QueryAnswered]:
    """All of them, when the query is over."""
    world.run_until(
        lambda: any(isinstance(event, QueryFinished) and event.id == number for event in asker.events), within=20
    )
    return [event for event in asker.events if isinstance(event, QueryAnswered) and event.id == number]


def test_key_of_a_whole_pool_is_replaced_without_a_doubt_about_anybody() -> None:
    world = GossipWorld(seed=8)
    hosts = [world.start(f"h{n}", join=["h1", "h2"], keyring=RING, keyring_is_stored=n % 2 == 0) for n in range(1, 6)]
    world.run_until(lambda: all(len(host.members()) == 5 for host in hosts), within=30)
    disks = {host.settings.name: RING for host in hosts}

    def store() -> None:
        """The owners' part, some time after they were told."""
        for host in hosts:
            for change in [event for event in host.events if isinstance(event, KeyringChanging)]:
                host.events.remove(change)
                disks[host.settings.name] = change.keyring
                world.act(host, lambda serf, change=change: serf.key_stored(change, world.now))  # type: ignore[misc]

    for request in (install_key(NEW), use_key(NEW), remove_key(OLD)):
        number = ask(world, hosts[0], request)
        world.run(0.7)
        store()
        assert report(answers_to(world, hosts[0], number), members=5).has_succeeded, request.name
    assert all(host.serf.keyring == Keyring([NEW]) for host in hosts)
    assert all(disks[host.settings.name] == Keyring([NEW]) for host in hosts if host.settings.keyring_is_stored)
    listed = report(answers_to(world, hosts[3], ask(world, hosts[3], list_keys())), members=5)
    assert listed.keys == {in_base64(NEW): 5} and listed.primary_keys == {in_base64(NEW): 5}
    world.run(120)
    assert not any(isinstance(event, MemberSuspected | MemberFailed) for host in hosts for event in host.events)
    newcomer = world.start("h6", join=["h3"], keyring=Keyring([NEW]))
    world.run_until(lambda: len(newcomer.members()) == 6, within=10)
    stranger = world.start("h7", join=["h3"], keyring=RING)
    world.run(60)
    assert len(stranger.members()) == 1, "who has the old key only, stays outside"
