"""Keys of whole pools, changed by an operator: real members in virtual time, every network at once."""

import base64
from typing import Any

import pytest

from ceilo_gossip.agent.keyrings import fingerprint
from ceilo_gossip.agent.keywork import KeyWork
from ceilo_gossip.agent.port import FakePool
from ceilo_gossip.agent.questions import Questions
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.requests import KeyOperation, KeysRequest
from ceilo_gossip.control.source import RefusalError
from ceilo_gossip.serf.keys import install_key
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.keyring import Keyring
from tests.support.gossip_world import GossipWorld, Host
from tests.support.world_pool import WorldPool, live

pytestmark = pytest.mark.asyncio

OLD, NEW = b"o" * 32, b"n" * 32
LIST, INSTALL, USE, REMOVE = KeyOperation


class Pools:
    """One pool of four, and its first member's operator."""

    def __init__(self, *, key: bytes | None = OLD) -> None:
        self.world = GossipWorld()
        self.hosts = self.world.start_pool(4, keyring=None if key is None else Keyring([key]))
        self.world.run_until(lambda: all(len(host.members()) == 4 for host in self.hosts), within=10)
        self.pool = WorldPool(self.world, self.hosts[0])
        self.pools = {Network.STORAGE: self.pool}
        self.questions = Questions(self.pools)
        self.keywork = KeyWork(self.pools, self.questions)

    async def do(self, operation: KeyOperation, **options: Any) -> dict[str, Any]:
        request = KeysRequest(operation=operation, networks=(Network.STORAGE,), **options)
        answer = await live(self.world, self.pools, self.keywork.do(request), on_event=self.questions.handle)
        return answer["networks"]["storage"] | {"whole": answer["has_succeeded"]}  # type: ignore[no-any-return]

    def give(self, host: Host, key: bytes) -> None:
        """Only this host has one more key."""
        keyring = host.serf.keyring
        assert keyring is not None
        host.serf._swim.use_keyring(keyring.adding(key))


async def test_key_is_replaced_in_three_steps_and_every_member_confirms_each() -> None:
    pools = Pools()
    installed = await pools.do(INSTALL, key=NEW)
    assert (installed["members"], installed["answered"], installed["whole"]) == (4, 4, True)
    assert (await pools.do(USE, fingerprint=fingerprint(NEW)))["whole"] is True
    assert (await pools.do(REMOVE, fingerprint=fingerprint(OLD)))["whole"] is True
    assert {host.serf.keyring for host in pools.hosts} == {Keyring([NEW])}
    assert all(host.sees(other.serf.name) is MemberState.ALIVE for host in pools.hosts for other in pools.hosts)


async def test_list_shows_fingerprints_and_who_lacks_a_key_and_keys_only_when_asked() -> None:
    pools = Pools()
    pools.give(pools.hosts[2], NEW)
    found = await pools.do(LIST)
    assert [(key["fingerprint"], key["primary_of"], key["members"]) for key in found["keys"]] == [
        (fingerprint(OLD), 4, 4),
        (fingerprint(NEW), 0, 1),
    ]
    assert found["keys"][1]["missing_at"] == ["h1", "h2", "h4"]
    assert base64.b64encode(OLD).decode() not in str(found)
    assert (await pools.do(LIST, show_keys=True))["keys"][0]["key"] == base64.b64encode(OLD).decode()


async def test_answer_comes_when_all_have_answered_and_not_at_the_deadline() -> None:
    pools = Pools()
    before = pools.world.now
    await pools.do(LIST)
    assert pools.world.now - before < 2.0, "the pool's own deadline is 3.2 s away"


async def test_use_is_refused_while_a_member_lacks_the_key() -> None:
    pools = Pools()
    pools.give(pools.hosts[0], NEW)
    with pytest.raises(RefusalError, match=r"nothing was changed: on storage the key is missing at h2, h3, h4\."):
        await pools.do(USE, key=NEW)
    assert pools.hosts[0].serf.keyring == Keyring([OLD, NEW])


async def test_use_that_is_forced_is_done_and_who_lacks_the_key_is_cut_off() -> None:
    pools = Pools()
    for host in pools.hosts[:3]:
        pools.give(host, NEW)
    found = await pools.do(USE, key=NEW, force=True)
    assert (found["whole"], found["silent"]) == (False, ["h4"])
    assert {host.serf.keyring for host in pools.hosts[:3]} == {Keyring([NEW, OLD])}


async def test_remove_is_refused_while_a_member_encrypts_with_the_key() -> None:
    pools = Pools()
    with pytest.raises(RefusalError, match="still in use at h1, h2, h3, h4"):
        await pools.do(REMOVE, key=OLD)


async def test_member_that_does_not_answer_is_named_and_the_change_is_not_whole(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pools = Pools()
    pools.world.pause(pools.hosts[3])
    found = await pools.do(INSTALL, key=NEW)
    assert (found["members"], found["answered"], found["silent"], found["whole"]) == (4, 3, ["h4"], False)
    assert f"Keys on storage: install {fingerprint(NEW)}, not done by h4" in caplog.text
    with pytest.raises(RefusalError, match="no list of keys came from h4"):
        await pools.do(USE, key=NEW)


async def test_failed_member_is_not_waited_for_and_is_named() -> None:
    pools = Pools()
    pools.world.kill(pools.hosts[3])
    pools.world.run_until(lambda: pools.hosts[0].sees("h4") is MemberState.DEAD, within=30)
    found = await pools.do(INSTALL, key=NEW)
    assert (found["members"], found["answered"], found["away"], found["whole"]) == (3, 3, ["h4"], True)


async def test_fingerprint_of_a_key_that_we_do_not_have_is_refused_with_those_we_have() -> None:
    pools = Pools()
    with pytest.raises(RefusalError, match=f"no key deadbeef on storage, only {fingerprint(OLD)}"):
        await pools.do(USE, fingerprint="deadbeef")


async def test_key_of_a_wrong_length_and_a_pool_in_plain_text_are_refused() -> None:
    with pytest.raises(RefusalError, match="5 bytes; AES needs"):
        await Pools().do(INSTALL, key=b"short")
    with pytest.raises(RefusalError, match="not encrypted"):
        await Pools(key=None).do(INSTALL, key=NEW)


async def test_query_that_the_pool_refuses_is_refused_with_its_reason() -> None:
    pool = FakePool(Network.TUNNEL)
    pool.keyring, pool.refuses = Keyring([OLD]), "64 queries run already; wait for one to finish"
    pools = {Network.TUNNEL: pool}
    with pytest.raises(RefusalError, match="64 queries run already"):
        await KeyWork(pools, Questions(pools)).do(KeysRequest(operation=LIST))


async def test_install_of_a_key_that_members_have_is_done_again_without_harm() -> None:
    pools = Pools()
    assert (await pools.do(INSTALL, key=NEW))["whole"] is True
    assert (await pools.do(INSTALL, fingerprint=fingerprint(NEW)))["whole"] is True
    assert install_key(NEW).name == "_serf_install-key"
