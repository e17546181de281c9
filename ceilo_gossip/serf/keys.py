"""How a pool's keys are asked about and changed from here: four queries, and what their answers say.

A key is replaced without losing anybody in three steps, each of which every member must confirm before the next:
install the new one (all can read it), use it (all write with it), remove the old one. These are ordinary queries, so
whoever asks them counts the answers: a member that gave none has not done it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ceilo_gossip.serf.events import QueryAnswered
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.keyring import KEY_LENGTHS, KeyringError
from ceilo_gossip.wire.serf_codec import decode_serf, encode_serf
from ceilo_gossip.wire.serf_messages import KeyRequest, KeyResponse

INSTALL_KEY = "_serf_install-key"
USE_KEY = "_serf_use-key"
REMOVE_KEY = "_serf_remove-key"
LIST_KEYS = "_serf_list-keys"
KEY_QUERIES = frozenset((INSTALL_KEY, USE_KEY, REMOVE_KEY, LIST_KEYS))
# Characters of a peer's message that are shown; real ones have 60.
MAX_MESSAGE_LENGTH = 256


def install_key(key: bytes, *, relay_factor: int = 0) -> QueryRequest:
    """Let every member read what is encrypted with this key, too. `KeyringError` for a key of a wrong length."""
    return _change(INSTALL_KEY, key, relay_factor)


def use_key(key: bytes, *, relay_factor: int = 0) -> QueryRequest:
    """Let every member encrypt with this key, which it must have."""
    return _change(USE_KEY, key, relay_factor)


def remove_key(key: bytes, *, relay_factor: int = 0) -> QueryRequest:
    """Let every member forget this key, which must not be the one it encrypts with."""
    return _change(REMOVE_KEY, key, relay_factor)


def list_keys(*, relay_factor: int = 0) -> QueryRequest:
    """Ask every member for its keys. The answers are encrypted with the pool's key, and hold all keys."""
    return _request(LIST_KEYS, b"", relay_factor)


def _change(name: str, key: bytes, relay_factor: int) -> QueryRequest:
    if len(key) not in KEY_LENGTHS:
        raise KeyringError(f"the key has {len(key)} bytes; AES needs 16, 24 or 32")
    return _request(name, key, relay_factor)


def _request(name: str, key: bytes, relay_factor: int) -> QueryRequest:
    # The answers themselves say who has the question, so nobody needs to acknowledge it.
    return QueryRequest(name, encode_serf(KeyRequest(key)), wants_ack=False, relay_factor=relay_factor)


@dataclass(frozen=True, slots=True)
class KeyAnswer:
    """What one member says to a key query.

    message: why it could not, or a remark; "" if there is none. keys, primary_key: base64, of LIST_KEYS only, without
        repr; an agent may not tell the primary.
    """

    member: str
    has_succeeded: bool
    message: str
    keys: tuple[str, ...] = field(default=(), repr=False)
    primary_key: str = field(default="", repr=False)


def read_answer(answer: QueryAnswered) -> KeyAnswer:
    """The answer of one member; one that cannot be read is a failure of that member."""
    try:
        response = decode_serf(answer.payload)
    except WireError as error:
        return KeyAnswer(answer.member, False, f"its answer cannot be read: {error}")
    if not isinstance(response, KeyResponse):
        return KeyAnswer(answer.member, False, "its answer is none to a question about keys")
    keys = tuple(_printable(key) for key in response.keys)
    return KeyAnswer(
        answer.member, response.result, _printable(response.message), keys, _printable(response.primary_key)
    )


def _printable(text: str) -> str:
    """A peer's text, so that it can be shown on a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text[:MAX_MESSAGE_LENGTH])


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What came of a key query in a pool. members: how many were alive when it was asked; keys have no repr.

    keys: base64 to the number of members that have it. primary_keys: to the number that encrypts with it.
    errors: member to reason. remarks: what members said that did it all the same.
    """

    members: int
    answers: int
    keys: Mapping[str, int] = field(repr=False)
    primary_keys: Mapping[str, int] = field(repr=False)
    errors: Mapping[str, str]
    remarks: Mapping[str, str]

    @property
    def has_succeeded(self) -> bool:
        """Whether every member has done it. If not, do not take the next step, but this one again: it is idempotent."""
        return not self.errors and self.answers >= self.members


def report(answers: Iterable[QueryAnswered], *, members: int) -> KeyReport:
    """Sum up the answers to one key query."""
    said = [read_answer(answer) for answer in answers]
    return KeyReport(
        members=members,
        answers=len(said),
        keys=Counter(key for answer in said for key in dict.fromkeys(answer.keys)),
        primary_keys=Counter(answer.primary_key for answer in said if answer.primary_key),
        errors={answer.member: answer.message or "it gave no reason" for answer in said if not answer.has_succeeded},
        remarks={answer.member: answer.message for answer in said if answer.has_succeeded and answer.message},
    )
