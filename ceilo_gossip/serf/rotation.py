"""How our own keyring changes when the pool, or we, ask for it by a key query.

Persist before acknowledge: a change is first told to the owner (`KeyringChanging`), who stores the new keyring and
calls `stored`; only then it is used and answered. So whoever counts the answers may believe that a restart undoes
nothing. An owner that cannot store it calls `refused`, and the old keyring stays. When nobody stores keys
(`SerfSettings.keyring_is_stored`) a change is used at once.

One change is with the owner at a time; further ones wait, and are worked out from what the keyring is then. What
changes nothing is confirmed at once. A plain pool has no keys and says so. Each answer is one that Serf's `keys`
command understands.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Protocol

from ceilo_gossip.serf.answering import Answering
from ceilo_gossip.serf.events import Event, KeyringChanging, QueryReceived
from ceilo_gossip.serf.keys import INSTALL_KEY, LIST_KEYS, MAX_MESSAGE_LENGTH, REMOVE_KEY, USE_KEY
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.keyring import Keyring, KeyringError
from ceilo_gossip.wire.serf_codec import decode_serf, encode_serf
from ceilo_gossip.wire.serf_messages import KeyRequest, KeyResponse

# Changes that wait for the owner's disk. People make them one by one; somebody who sends more is told to wait.
MAX_WAITING = 16

_CHANGES: dict[str, Callable[[Keyring, bytes], Keyring]] = {
    INSTALL_KEY: Keyring.adding,
    USE_KEY: Keyring.using,
    REMOVE_KEY: Keyring.removing,
}


class KeyringUser(Protocol):
    """Who encrypts and decrypts: the SWIM core."""

    @property
    def keyring(self) -> Keyring | None: ...

    def use_keyring(self, keyring: Keyring) -> None: ...


class Rotation:
    """Answers key queries and changes the keyring."""

    def __init__(
        self,
        user: KeyringUser,
        answering: Answering,
        events: deque[Event],
        counters: Counter[str],
        *,
        is_stored: bool,
    ) -> None:
        """is_stored: whether the owner stores what `KeyringChanging` tells it."""
        self._user = user
        self._answering = answering
        self._events = events
        self._counters = counters
        self._is_stored = is_stored
        self._changing: KeyringChanging | None = None
        self._waiting: deque[QueryReceived] = deque()

    def receive(self, query: QueryReceived, now: float) -> None:
        """A key query has come."""
        if query.name == LIST_KEYS:
            self._list(query, now)
        elif self._changing is None:
            self._begin(query, now)
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append(query)
        else:
            self._counters["key_changes_over_limit"] += 1
            self._fail(query, "too many changes of the keyring wait to be stored", now)

    def stored(self, change: KeyringChanging, now: float) -> None:
        """The owner has stored the keyring: use it, and say so."""
        assert change == self._changing, "this change is not with the owner"
        self._changing = None
        self._adopt(change.query, change.keyring, now)
        self._go_on(now)

    def refused(self, change: KeyringChanging, reason: str, now: float) -> None:
        """The owner could not, or did not want to, store the keyring. reason: for the asker; a short sentence."""
        assert change == self._changing, "this change is not with the owner"
        self._changing = None
        self._fail(change.query, reason, now)
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        while self._waiting and self._changing is None:
            query = self._waiting.popleft()
            if now > query.deadline:
                # Nobody waits for it, and who asked counts it as not done.
                self._counters["key_changes_late"] += 1
            else:
                self._begin(query, now)

    def _begin(self, query: QueryReceived, now: float) -> None:
        before = self._user.keyring
        if before is None:
            self._fail(query, "there is no keyring to change: encryption is not enabled", now)
            return
        try:
            request = decode_serf(query.payload)
            if not isinstance(request, KeyRequest):
                raise WireError("it holds no key")
            after = _CHANGES[query.name](before, request.key)
        except KeyringError as error:
            self._fail(query, str(error), now)
            return
        except WireError as error:
            self._fail(query, f"the request cannot be read: {error}", now)
            return
        if after == before:
            self._answer(query, KeyResponse(True, ""), now)
        elif self._is_stored:
            self._changing = KeyringChanging(query, after, now)
            self._events.append(self._changing)
        else:
            self._adopt(query, after, now)

    def _adopt(self, query: QueryReceived, keyring: Keyring, now: float) -> None:
        self._user.use_keyring(keyring)
        self._counters["keyring_changes"] += 1
        self._answer(query, KeyResponse(True, ""), now)

    def _list(self, query: QueryReceived, now: float) -> None:
        keyring = self._user.keyring
        if keyring is None:
            self._fail(query, "the keyring is empty: encryption is not enabled", now)
            return
        keys = keyring.to_base64()
        response = KeyResponse(True, "", keys, keys[0])
        shown = len(keys)
        while not self._answering.fits(query, encode_serf(response)) and shown:
            shown -= 1
            message = f"truncated key list response, showing first {shown} of {len(keys)} keys"
            response = KeyResponse(True, message, keys[:shown], keys[0])
        self._answer(query, response, now)

    def _fail(self, query: QueryReceived, reason: str, now: float) -> None:
        self._answer(query, KeyResponse(False, reason[:MAX_MESSAGE_LENGTH]), now)

    def _answer(self, query: QueryReceived, response: KeyResponse, now: float) -> None:
        self._answering.answer(query, encode_serf(response), now)
