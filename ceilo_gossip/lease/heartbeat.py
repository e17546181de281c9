"""The heartbeat: what a witness says once a second to everybody, and its form on the wire.

It is passed on unchanged by every member, so a witness can sign it (Ed25519): then not even a holder of the gossip key
can make one up. Revoked hosts are named by digests of a fixed length, so that a heartbeat fits into a packet whatever
the hosts are called.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from ceilo_gossip.contract.electorate import ID_LENGTH
from ceilo_gossip.wire.checks import check_name, check_range
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.msgpack_dialect import Fields, pack_struct, unpack

DIGEST_LENGTH: Final = 8
# More than the storm guard ever lets be fenced together; 64 of them take 512 of a packet's 1400 bytes.
MAX_REVOKED: Final = 64
MAX_ELECTORATES: Final = 2  # the present one, and the one before it while it is being changed
BOOT_ID_LENGTH: Final = 16  # bytes: a UUID
SIGNATURE_LENGTH: Final = 64  # Ed25519
MAX_CLOCK: Final = 2**62  # microseconds; 146,000 years after a boot
_MICROSECONDS: Final = 1_000_000


def host_digest(host: str) -> bytes:
    """The eight bytes that stand for a host in a heartbeat."""
    return hashlib.sha256(host.encode("utf-8")).digest()[:DIGEST_LENGTH]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """`witness` was alive at `issued_at` and grants a lease to everybody who is not among `revoked`.

    boot_id     of the witness's host; its clock starts anew with each boot
    issued_us   microseconds on the witness's own boot-time clock; also the order of its heartbeats
    electorates ids of the electorate in whose name it speaks and, while that is being changed, of the one before
    revoked     digests of hosts, sorted
    signature   over everything else, b"" when the witness does not sign
    """

    witness: str
    boot_id: bytes
    issued_us: int
    electorates: tuple[str, ...]
    revoked: frozenset[bytes]
    signature: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        check_name("witness", self.witness)
        check_range("length of a boot id", len(self.boot_id), BOOT_ID_LENGTH, BOOT_ID_LENGTH)
        check_range("issue time", self.issued_us, 0, MAX_CLOCK)
        check_range("number of electorates", len(self.electorates), 1, MAX_ELECTORATES)
        if any(len(name) != ID_LENGTH or not name.isascii() for name in self.electorates):
            raise WireError("the electorate of a heartbeat has no id")
        check_range("number of revoked hosts", len(self.revoked), 0, MAX_REVOKED)
        if any(len(digest) != DIGEST_LENGTH for digest in self.revoked):
            raise WireError("a revoked host of a heartbeat is no digest")
        if self.signature:
            check_range("length of a signature", len(self.signature), SIGNATURE_LENGTH, SIGNATURE_LENGTH)

    @property
    def issued_at(self) -> float:
        """Seconds on the witness's clock."""
        return self.issued_us / _MICROSECONDS

    def revokes(self, host: str) -> bool:
        return host_digest(host) in self.revoked

    def signed(self, signature: bytes) -> "Heartbeat":
        return replace(self, signature=signature)

    @property
    def to_sign(self) -> bytes:
        """What the signature is over: a domain and the whole content, the same bytes at both ends."""
        return b"ceilo-gossip heartbeat 1\0" + encode_heartbeat(replace(self, signature=b""))


def make_heartbeat(
    witness: str, boot_id: bytes, *, clock: float, electorates: tuple[str, ...], revoked: Iterable[str]
) -> Heartbeat:
    """The heartbeat of this instant. clock: seconds on the witness's boot-time clock, rounded down.

    Rounded down it looks older than it is, never younger.
    """
    digests = frozenset(host_digest(host) for host in revoked)
    return Heartbeat(witness, boot_id, int(clock * _MICROSECONDS), electorates, digests)


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """The bytes that travel; the same for the same heartbeat."""
    return pack_struct(
        {
            "Witness": heartbeat.witness,
            "Boot": heartbeat.boot_id,
            "Issued": heartbeat.issued_us,
            "Electorates": list(heartbeat.electorates),
            "Revoked": b"".join(sorted(heartbeat.revoked)),
            "Signature": heartbeat.signature,
        }
    )


def decode_heartbeat(encoded: bytes) -> Heartbeat:
    """The heartbeat; `WireError` when it is none."""
    fields = Fields(unpack(encoded), of="heartbeat", declared=())
    digests = fields.raw("Revoked")
    if len(digests) % DIGEST_LENGTH or len(digests) > MAX_REVOKED * DIGEST_LENGTH:
        raise WireError("the revoked hosts of a heartbeat are no digests")
    revoked = frozenset(digests[at : at + DIGEST_LENGTH] for at in range(0, len(digests), DIGEST_LENGTH))
    return Heartbeat(
        fields.text("Witness"),
        fields.raw("Boot"),
        fields.integer("Issued"),
        fields.texts("Electorates"),
        revoked,
        fields.raw("Signature"),
    )
