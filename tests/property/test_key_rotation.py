"""Whatever is asked of a keyring, and however slowly or badly its owner stores: what is used is what is stored."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ceilo_gossip.serf.events import KeyringChanging
from ceilo_gossip.serf.keys import INSTALL_KEY, LIST_KEYS, REMOVE_KEY, USE_KEY
from ceilo_gossip.wire.keyring import MAX_KEYS, Keyring
from ceilo_gossip.wire.serf_codec import decode_serf, encode_serf
from ceilo_gossip.wire.serf_messages import KeyRequest, KeyResponse, Query, QueryResponse
from tests.support.serf_member import ASKER, LoneSerf

KEYS = [bytes([number]) * 16 for number in range(4)]
NAMES = st.sampled_from([INSTALL_KEY, USE_KEY, REMOVE_KEY, LIST_KEYS])
TIMEOUT = 5.0


class Rotation(RuleBasedStateMachine):
    """One member whose owner is played by the test; its peers can read and write whatever it can."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = Keyring(KEYS[:1])
        self.lone = LoneSerf(keyring=self.disk, options={"keyring_is_stored": True})
        self.change: KeyringChanging | None = None
        self.asked: dict[int, float] = {}  # id to deadline
        self.answered: dict[int, KeyResponse] = {}

    @rule(name=NAMES, key=st.sampled_from([*KEYS, b"short", b""]), is_garbled=st.booleans())
    def a_key_query_arrives(self, name: str, key: bytes, is_garbled: bool) -> None:
        number = len(self.asked) + 1
        payload = b"\x07\xc1" if is_garbled else encode_serf(KeyRequest(key))
        self.asked[number] = self.lone.now + TIMEOUT
        self.lone.hear_serf(
            Query(5, number, ASKER.raw_host, ASKER.port, "p5", (), 0, 0, int(TIMEOUT * 1e9), name, payload)
        )
        self.look()

    @precondition(lambda self: self.change is not None)
    @rule(works=st.booleans())
    def the_owner_is_done(self, works: bool) -> None:
        change, self.change = self.change, None
        assert change is not None
        if works:
            self.disk = change.keyring
            self.lone.serf.key_stored(change, self.lone.now)
        else:
            self.lone.serf.key_refused(change, "no", self.lone.now)
        self.look()

    @rule(seconds=st.sampled_from([0.1, 3.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.lone.now += seconds

    def look(self) -> None:
        """Read what was told and sent, with the keys of whoever could read it before or can now."""
        for event in self.lone.events():
            if isinstance(event, KeyringChanging):
                assert self.change is None, "one change at a time"
                self.change = event
        keyring = self.lone.serf.keyring
        assert keyring is not None
        self.lone.keyring = keyring
        for message, _ in self.lone.sent():
            if isinstance(message, QueryResponse):
                assert message.id not in self.answered, "one answer for each"
                assert self.lone.now <= self.asked[message.id]
                answer = decode_serf(message.payload)
                assert isinstance(answer, KeyResponse)
                self.answered[message.id] = answer

    @invariant()
    def what_is_used_is_what_is_stored(self) -> None:
        assert self.lone.serf.keyring == self.disk
        assert 1 <= len(self.disk) <= MAX_KEYS

    @invariant()
    def what_waits_waits_for_the_owner(self) -> None:
        if self.change is None:
            late = self.lone.serf.counters["key_changes_late"]
            unanswered = [number for number in self.asked if number not in self.answered]
            assert all(self.asked[number] < self.lone.now for number in unanswered) and len(unanswered) >= late


TestRotation = Rotation.TestCase
TestRotation.settings = settings(max_examples=60, stateful_step_count=40)
