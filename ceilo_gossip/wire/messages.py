"""The messages of memberlist. An illegal one cannot exist: the constructor raises `WireError`.

`raw_host` fields are 4 or 16 bytes as they came, for peers compare them byte by byte.
"""

from dataclasses import dataclass, field

from ceilo_gossip.wire.address import MAX_PORT, Address, is_host_of_a_member, raw_to_host
from ceilo_gossip.wire.checks import (
    MAX_INCARNATION,
    MAX_META_LENGTH,
    check_member_address,
    check_name,
    check_range,
    check_u32,
    check_version,
)
from ceilo_gossip.wire.errors import WireError

MAX_ERROR_LENGTH = 1024  # bytes; a sentence for an operator


def _reply_address(raw_host: bytes, port: int) -> Address | None:
    """Where an answer is wanted, if the sender says so."""
    if not raw_host or not port:
        return None
    return Address(raw_to_host(raw_host), port)


def _check_source(raw_host: bytes, port: int, member: str) -> None:
    if raw_host and not is_host_of_a_member(raw_host):
        raise WireError("an answer cannot go to an unspecified or a multicast address")
    check_range("source port", port, 0, MAX_PORT)
    check_name("source", member, may_be_empty=True)


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there? `member`: who is meant ("" anybody at this address). The source fields say where to answer."""

    seq_no: int
    member: str
    source_raw_host: bytes = b""
    source_port: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        check_u32("sequence number", self.seq_no)
        check_name("member", self.member, may_be_empty=True)
        _check_source(self.source_raw_host, self.source_port, self.source)

    @property
    def reply_to(self) -> Address | None:
        return _reply_address(self.source_raw_host, self.source_port)


@dataclass(frozen=True, slots=True)
class IndirectPing:
    """Please ping `member` for me. wants_nack: tell me also when it does not answer. target_port 0: your own port."""

    seq_no: int
    target_raw_host: bytes
    target_port: int
    member: str
    wants_nack: bool
    source_raw_host: bytes = b""
    source_port: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        check_u32("sequence number", self.seq_no)
        if not is_host_of_a_member(self.target_raw_host):
            raise WireError("a member cannot live at an unspecified or a multicast address")
        check_range("port", self.target_port, 0, MAX_PORT)
        check_name("member", self.member, may_be_empty=True)
        _check_source(self.source_raw_host, self.source_port, self.source)

    @property
    def reply_to(self) -> Address | None:
        return _reply_address(self.source_raw_host, self.source_port)


@dataclass(frozen=True, slots=True)
class Ack:
    """I am there. payload: Serf's network coordinate, or nothing."""

    seq_no: int
    payload: bytes = b""

    def __post_init__(self) -> None:
        check_u32("sequence number", self.seq_no)


@dataclass(frozen=True, slots=True)
class Nack:
    """The member you asked me to ping has not answered me."""

    seq_no: int

    def __post_init__(self) -> None:
        check_u32("sequence number", self.seq_no)


@dataclass(frozen=True, slots=True)
class Suspect:
    """`accuser` has had no answer from `member`."""

    incarnation: int
    member: str
    accuser: str

    def __post_init__(self) -> None:
        check_range("incarnation", self.incarnation, 0, MAX_INCARNATION)
        check_name("member", self.member)
        check_name("accuser", self.accuser)


@dataclass(frozen=True, slots=True)
class Dead:
    """`accuser` has given up waiting for `member`; or `member` itself says good-bye, when it is its own accuser."""

    incarnation: int
    member: str
    accuser: str

    def __post_init__(self) -> None:
        check_range("incarnation", self.incarnation, 0, MAX_INCARNATION)
        check_name("member", self.member)
        check_name("accuser", self.accuser)

    @property
    def is_leave(self) -> bool:
        return self.accuser == self.member


@dataclass(frozen=True, slots=True)
class Alive:
    """`member` lives there, with this meta and version. Only the member itself raises its incarnation."""

    incarnation: int
    member: str
    raw_host: bytes
    port: int
    meta: bytes
    version: bytes

    def __post_init__(self) -> None:
        check_range("incarnation", self.incarnation, 0, MAX_INCARNATION)
        check_name("member", self.member)
        check_member_address(self.raw_host, self.port)
        check_range("length of meta", len(self.meta), 0, MAX_META_LENGTH)
        check_version(self.version)


@dataclass(frozen=True, slots=True)
class RemoteRecord:
    """One member as the sender of a push/pull sees it. state: 0 alive, 1 suspect, 2 dead, 3 left."""

    member: str
    raw_host: bytes
    port: int
    meta: bytes
    incarnation: int
    state: int
    version: bytes

    def __post_init__(self) -> None:
        check_range("incarnation", self.incarnation, 0, MAX_INCARNATION)
        check_name("member", self.member)
        check_member_address(self.raw_host, self.port)
        check_range("length of meta", len(self.meta), 0, MAX_META_LENGTH)
        check_range("state", self.state, 0, 3)
        check_version(self.version)


@dataclass(frozen=True, slots=True)
class PushPull:
    """The sender's whole table, and the state of the layer above. refused: records left out as illegal."""

    is_join: bool
    records: tuple[RemoteRecord, ...]
    user_state: bytes
    refused: int = 0


@dataclass(frozen=True, slots=True)
class UserMessage:
    """A message of the layer above. It has no repr, because some of Serf's carry keys."""

    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """Over a stream: your request was not understood, and why."""

    reason: str

    def __post_init__(self) -> None:
        check_range("length of the reason", len(self.reason.encode("utf-8", "replace")), 0, MAX_ERROR_LENGTH)


Message = Ping | IndirectPing | Ack | Nack | Suspect | Dead | Alive | PushPull | UserMessage | ErrorMessage
