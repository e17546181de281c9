"""What an operator may ask of a running agent, as data that has already refused what cannot be asked.

Instances are made by `verbs` from the arguments of a request, and by nothing else outside tests.
"""

import enum
from dataclasses import dataclass, field

from ceilo_gossip.contract.networks import Network

ALL_NETWORKS = tuple(Network)
FINGERPRINT_LENGTH = 8  # Hexadecimal digits of a key's SHA-256: 2^32 values tell the sixteen keys of a keyring apart.


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersRequest:
    """The members of the pools of `networks`."""

    networks: tuple[Network, ...] = ALL_NETWORKS


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRequest:
    """What is concluded about every host, or in detail about `host`."""

    host: str | None = None


class KeyOperation(enum.StrEnum):
    """What can be done with the keys of a pool."""

    LIST = "list"
    INSTALL = "install"
    USE = "use"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysRequest:
    """One operation on the keyrings of all members of the pools of `networks`.

    key, fingerprint: which key, for all operations but LIST exactly one of them. A fingerprint, the first
        `FINGERPRINT_LENGTH` hexadecimal digits of the key's SHA-256, names a key that this agent holds.
    show_keys: LIST answers with the keys themselves, and not only with their fingerprints.
    force: USE and REMOVE are done although some members would be cut off by it.
    """

    operation: KeyOperation
    networks: tuple[Network, ...] = ALL_NETWORKS
    key: bytes | None = None
    fingerprint: str | None = None
    show_keys: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        named = (self.key is not None) + (self.fingerprint is not None)
        if named != (self.operation is not KeyOperation.LIST):
            raise ValueError(f"{self.operation} takes {named} keys")

    def __repr__(self) -> str:
        return f"KeysRequest({self.operation}, {self.networks}, force={self.force})"  # Never the key.


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRequest:
    """A user event for every member of one pool."""

    name: str
    payload: bytes = field(default=b"", repr=False)
    network: Network = Network.MANAGEMENT
    coalesce: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRequest:
    """A query to the members of one pool, as the operator words it; `timeout` is in seconds, None for Serf's own."""

    name: str
    payload: bytes = field(default=b"", repr=False)
    network: Network = Network.MANAGEMENT
    members: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    relay_factor: int = 0
    timeout: float | None = None
    wants_ack: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTripRequest:
    """The estimated round trip between two hosts; from this host if `other` is None."""

    host: str
    other: str | None = None
    networks: tuple[Network, ...] = ALL_NETWORKS


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachabilityRequest:
    """Who answers a query that every member answers."""

    networks: tuple[Network, ...] = ALL_NETWORKS


class Kind(enum.StrEnum):
    """What a monitor tells of; Serf's words for what Serf's own monitor of events knows."""

    JOIN = "member-join"
    UPDATE = "member-update"
    SUSPECT = "member-suspect"
    REFUTE = "member-refute"
    FAILED = "member-failed"
    LEAVE = "member-leave"
    REAP = "member-reap"
    USER = "user"
    QUERY = "query"
    KEYRING = "keyring"
    CONFLICT = "conflict"
    VERDICT = "verdict"
    QUORUM = "quorum"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRequest:
    """What happens from now on, on `networks`; only of these kinds unless there are none."""

    networks: tuple[Network, ...] = ALL_NETWORKS
    kinds: frozenset[Kind] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForceLeaveRequest:
    """Have the pools of `networks` count `host`, which failed, as left; `prune` to have them forget it."""

    host: str
    networks: tuple[Network, ...] = ALL_NETWORKS
    prune: bool = False
