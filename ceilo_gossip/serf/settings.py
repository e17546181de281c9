"""What one Serf member is and how long it waits; the lengths are Serf's own where it has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from ceilo_gossip.serf.snapshot import Snapshot
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.keyring import Keyring

MAX_NAME_LENGTH = 255  # Nova's hosts.host column; memberlist itself sets no limit.
MAX_LABEL_LENGTH = 255  # One length byte on the wire.
MAX_EVENT_LIMIT = 1024  # So that it fits into a datagram beside an ack, whatever its envelope. Serf allows 9 KiB.


@dataclass(frozen=True, slots=True)
class SerfSettings:
    """One member of one pool. All lengths are seconds. `ValueError` for a combination that cannot work.

    name: the member's identity in the pool; Nova's host name.
    address: where its sockets are bound, and what it announces.
    tags: what it announces about itself, at most 512 bytes encoded.
    keyring: None sends and accepts plain text only.
    keyring_is_stored: the owner stores each changed keyring (`KeyringChanging`) before it is used and confirmed; False
        when nobody does, so that a change holds until the next start only.
    label: separates pools that share a network; b"" for none (the only value the Debian agent understands).
    join_retry_first, join_retry_last: wait before the first repeated join; it doubles up to the last.
    reconnect_interval: how often a failed member is dialled, so that a healed partition is noticed. Serf waits 30 s;
        an exchange costs a few kilobytes, and a host that is back should not stay "failed" for half a minute.
    reconnect_timeout, tombstone_timeout: failed and left members are remembered for so long.
    recent_intent_timeout: an intent about a member we do not know yet is remembered for so long.
    snapshot: what was known before a restart. None for a member without a past, and so are one that says that we had
        left, and one without any member: what it has missed would be the whole history of whatever pool it finds.
    event_limit: longest user event of ours in bytes, name and payload, before and after encoding.
    broadcast_timeout: longest wait for a leave intent to be sent out. leave_linger: then we stay to answer probes.
    """

    name: str
    address: Address
    tags: Mapping[str, str] = field(default_factory=dict)
    keyring: Keyring | None = None
    keyring_is_stored: bool = False
    swim: SwimSettings = field(default_factory=SwimSettings.lan)
    label: bytes = b""
    join_retry_first: float = 1.0
    join_retry_last: float = 15.0
    reconnect_interval: float = 10.0
    reconnect_timeout: float = 86400.0
    tombstone_timeout: float = 86400.0
    reap_interval: float = 15.0
    recent_intent_timeout: float = 300.0
    broadcast_timeout: float = 5.0
    leave_linger: float = 1.0
    event_limit: int = 512
    snapshot: Snapshot | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name.encode("utf-8")) <= MAX_NAME_LENGTH:
            raise ValueError(f"a member's name has 1..{MAX_NAME_LENGTH} bytes, not {self.name!r}")
        if len(self.label) > MAX_LABEL_LENGTH:
            raise ValueError(f"a label has at most {MAX_LABEL_LENGTH} bytes, not {len(self.label)}")
        if not 1 <= self.event_limit <= MAX_EVENT_LIMIT:
            raise ValueError(f"event_limit is {self.event_limit}; it must be within 1..{MAX_EVENT_LIMIT}")
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float) and value <= 0:
                raise ValueError(f"{item.name} is {value}; it must be above 0")
        if self.join_retry_last < self.join_retry_first:
            raise ValueError("join_retry_last is shorter than join_retry_first")
        if self.snapshot is not None and (self.snapshot.has_left or not self.snapshot.members):
            object.__setattr__(self, "snapshot", None)
        object.__setattr__(self, "tags", MappingProxyType(dict(self.tags)))
