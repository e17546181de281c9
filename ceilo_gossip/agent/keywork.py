"""What an operator does with the keys of whole pools: asks every member, and says who did it and who did not.

Each pool is asked at once with the others, and each is done as soon as every living member has answered. Before keys
are used or removed all members are looked at: a member without the new primary key, or one that still encrypts with
the key to be removed, would be cut off from its pool, and a healthy host that is cut off looks dead. So that is
refused, unless it is forced.
"""

import asyncio
import base64
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oslo_log import log

from ceilo_gossip.agent.keyrings import fingerprint, fingerprint_of_text, fingerprints
from ceilo_gossip.agent.port import PoolPort
from ceilo_gossip.agent.questions import Question, Questions
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.requests import KeyOperation, KeysRequest
from ceilo_gossip.control.source import RefusalError
from ceilo_gossip.serf.events import QueryAnswered
from ceilo_gossip.serf.keys import KeyAnswer, install_key, list_keys, read_answer, remove_key, use_key
from ceilo_gossip.serf.member import Member
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.keyring import KeyringError

LOG = log.getLogger(__name__)

MAX_NAMES = 5  # Members named in one sentence; the rest is counted.


@dataclass(slots=True)
class PoolAnswers:
    """What the members of one pool said. living: who was alive when they were asked; away: who had failed by then."""

    living: frozenset[str]
    away: frozenset[str]
    said: dict[str, KeyAnswer] = field(default_factory=dict)

    @property
    def silent(self) -> list[str]:
        """Living members that gave no answer."""
        return sorted(self.living - self.said.keys())

    @property
    def has_succeeded(self) -> bool:
        """Whether every living member has done it."""
        return not self.silent and all(answer.has_succeeded for answer in self.said.values())


class KeyWork:
    """One per agent."""

    def __init__(self, pools: Mapping[Network, PoolPort], questions: Questions) -> None:
        self._pools = pools
        self._questions = questions

    async def do(self, request: KeysRequest) -> dict[str, Any]:
        """Do what is asked, and return what each pool's members said; `RefusalError` if it must not be done."""
        networks = [network for network in request.networks if network in self._pools]
        for network in networks:
            if self._pools[network].keyring is None:
                raise RefusalError(f"the pool on {network} is not encrypted; set keyring_file in the configuration")
        keys = {network: self._key(network, request) for network in networks}
        if request.operation in (KeyOperation.USE, KeyOperation.REMOVE) and not request.force:
            await self._look_before(request.operation, keys)
        asked = await self._ask({network: _query(request.operation, key) for network, key in keys.items()})
        if request.operation is not KeyOperation.LIST:
            _log_change(request.operation, keys, asked)
        return {
            "operation": str(request.operation),
            "has_succeeded": all(answers.has_succeeded for answers in asked.values()),
            "networks": {
                str(network): _result(answers, show_keys=request.show_keys) for network, answers in asked.items()
            },
        }

    def _key(self, network: Network, request: KeysRequest) -> bytes:
        """The key that is meant; b"" where none is."""
        if request.key is not None:
            return request.key
        if request.fingerprint is None:
            return b""
        keyring = self._pools[network].keyring
        assert keyring is not None
        for key in map(base64.b64decode, keyring.to_base64()):
            if fingerprint(key) == request.fingerprint.lower():
                return key
        held = ", ".join(fingerprints(keyring))
        raise RefusalError(
            f"this host has no key {request.fingerprint} on {network}, only {held}; give the key itself, "
            "or name the networks that have it"
        )

    async def _look_before(self, operation: KeyOperation, keys: Mapping[Network, bytes]) -> None:
        """`RefusalError` if a member would be cut off, or may be."""
        problems = []
        for network, answers in (await self._ask({network: list_keys() for network in keys})).items():
            key = base64.b64encode(keys[network]).decode("ascii")
            told = {name: answer for name, answer in answers.said.items() if answer.has_succeeded}
            if mute := sorted(answers.living - told.keys()):
                problems.append(f"on {network} no list of keys came from {_names(mute)}")
            if operation is KeyOperation.USE:
                if lacking := sorted(name for name, answer in told.items() if key not in answer.keys):
                    problems.append(f"on {network} the key is missing at {_names(lacking)}")
            elif using := sorted(name for name, answer in told.items() if answer.primary_key == key):
                problems.append(f"on {network} the key is still in use at {_names(using)}")
        if problems:
            before = "install" if operation is KeyOperation.USE else "use"
            raise RefusalError(
                f"nothing was changed: {'; '.join(problems)}. Members would be cut off, and look dead. Complete "
                f"`ceilo-gossip keys {before}` first; --force does it all the same"
            )

    async def _ask(self, requests: Mapping[Network, QueryRequest]) -> dict[Network, PoolAnswers]:
        """Ask all pools at once, and wait until each has all its answers, or its time is over."""
        with contextlib.ExitStack() as questions:
            asked = []
            for network, request in requests.items():
                members = self._pools[network].members()
                answers = PoolAnswers(
                    living=_named(members, MemberState.ALIVE, MemberState.SUSPECT),
                    away=_named(members, MemberState.DEAD),
                )
                question = self._questions.ask(network, request)
                questions.callback(question.close)
                asked.append(_collect(question, answers))
            return dict(zip(requests, await asyncio.gather(*asked), strict=True))


async def _collect(question: Question, answers: PoolAnswers) -> PoolAnswers:
    async for reply in question:
        if isinstance(reply, QueryAnswered):
            answers.said[reply.member] = read_answer(reply)
        if not answers.silent:
            break
    return answers


def _query(operation: KeyOperation, key: bytes) -> QueryRequest:
    try:
        match operation:
            case KeyOperation.LIST:
                return list_keys()
            case KeyOperation.INSTALL:
                return install_key(key)
            case KeyOperation.USE:
                return use_key(key)
            case KeyOperation.REMOVE:
                return remove_key(key)
    except KeyringError as error:
        raise RefusalError(f"that is no key: {error}") from error


def _result(answers: PoolAnswers, *, show_keys: bool) -> dict[str, Any]:
    said = answers.said.values()
    primaries = Counter(answer.primary_key for answer in said if answer.primary_key)
    holders = Counter(key for answer in said for key in dict.fromkeys(answer.keys))
    keys = []
    for key, count in sorted(holders.items(), key=lambda item: (-primaries[item[0]], -item[1], item[0])):
        entry: dict[str, Any] = {
            "fingerprint": fingerprint_of_text(key),
            "members": count,
            "primary_of": primaries[key],
            "missing_at": sorted(name for name, answer in answers.said.items() if key not in answer.keys),
        }
        keys.append(entry | {"key": key} if show_keys else entry)
    return {
        "members": len(answers.living),
        "answered": len(answers.said),
        "has_succeeded": answers.has_succeeded,
        "silent": answers.silent,
        "away": sorted(answers.away),
        "errors": {n: a.message or "it gave no reason" for n, a in sorted(answers.said.items()) if not a.has_succeeded},
        "remarks": {n: a.message for n, a in sorted(answers.said.items()) if a.has_succeeded and a.message},
        "keys": keys,
    }


def _log_change(operation: KeyOperation, keys: Mapping[Network, bytes], asked: Mapping[Network, PoolAnswers]) -> None:
    for network, answers in asked.items():
        if answers.has_succeeded:
            LOG.info("Keys on %s: %s %s, done by all members", network, operation, fingerprint(keys[network]))
            continue
        refusing = sorted(name for name, answer in answers.said.items() if not answer.has_succeeded)
        LOG.warning(
            "Keys on %s: %s %s, not done by %s",
            network,
            operation,
            fingerprint(keys[network]),
            _names(sorted({*answers.silent, *refusing})),
        )


def _named(members: Mapping[str, Member], *states: MemberState) -> frozenset[str]:
    return frozenset(name for name, member in members.items() if member.state in states)


def _names(names: Sequence[str]) -> str:
    rest = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {rest} more" if rest > 0 else "")
