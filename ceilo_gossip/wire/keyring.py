"""The keyring of a pool, and the AES-GCM envelope around every packet and stream.

An envelope is `version, nonce (12), ciphertext, tag (16)`. Version 1 has no padding and is what we send; version 0 pads
to 16 bytes (PKCS#7) and is accepted. The version byte is not authenticated, so it says nothing about trust. The first
key is the primary: it alone encrypts, all decrypt. Keys never appear in a repr.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Callable, Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ceilo_gossip.wire.errors import DecryptError

KEY_LENGTHS = (16, 24, 32)  # AES-128, AES-192, AES-256
NONCE_LENGTH = 12
TAG_LENGTH = 16
OVERHEAD = 1 + NONCE_LENGTH + TAG_LENGTH
BLOCK_LENGTH = 16
# Each failed key costs one decryption, so the ring bounds the work for a packet of strangers.
MAX_KEYS = 16

NonceSource = Callable[[int], bytes]


class KeyringError(ValueError):
    """A keyring that cannot be: no key, a key of a wrong length, or a change that would leave us without a primary."""


class Keyring:
    """An immutable, ordered list of keys, primary first."""

    __slots__ = ("_ciphers", "_keys")

    def __init__(self, keys: Iterable[bytes]) -> None:
        unique = tuple(dict.fromkeys(bytes(key) for key in keys))
        if not unique:
            raise KeyringError("a keyring needs at least one key")
        if len(unique) > MAX_KEYS:
            raise KeyringError(f"a keyring holds at most {MAX_KEYS} keys, not {len(unique)}")
        for place, key in enumerate(unique):
            if len(key) not in KEY_LENGTHS:
                raise KeyringError(f"key {place} has {len(key)} bytes; AES needs 16, 24 or 32")
        self._keys = unique
        self._ciphers = tuple(AESGCM(key) for key in unique)

    @classmethod
    def from_json(cls, text: str) -> "Keyring":
        """Read serf's keyring file: a JSON array of base64 strings, primary first; `KeyringError` when it is not."""
        try:
            entries = json.loads(text)
        except ValueError as error:
            raise KeyringError("the keyring is not JSON") from error
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise KeyringError("the keyring is not a JSON array of strings")
        try:
            return cls(base64.b64decode(entry, validate=True) for entry in entries)
        except binascii.Error as error:
            raise KeyringError("a key of the keyring is not base64") from error

    def to_json(self) -> str:
        """The text of serf's keyring file. It holds the keys: write it for the owner's eyes only (mode 0600)."""
        return json.dumps(list(self.to_base64()))

    def to_base64(self) -> tuple[str, ...]:
        """The keys themselves, primary first, as Serf writes them. Show them to nobody who did not ask."""
        return tuple(base64.b64encode(key).decode("ascii") for key in self._keys)

    def __repr__(self) -> str:
        return f"Keyring(<{len(self._keys)} keys>)"

    def __len__(self) -> int:
        return len(self._keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keyring) and self._keys == other._keys

    def __hash__(self) -> int:
        return hash(self._keys)

    def adding(self, key: bytes) -> "Keyring":
        """This ring with one more key at its end; the same ring when it is there already."""
        return Keyring((*self._keys, key))

    def using(self, key: bytes) -> "Keyring":
        """This ring with `key`, which must be in it, as the primary."""
        if key not in self._keys:
            raise KeyringError("the key to use is not in the keyring")
        return Keyring((key, *self._keys))

    def removing(self, key: bytes) -> "Keyring":
        """This ring without `key`, which must not be the primary."""
        if key == self._keys[0]:
            raise KeyringError("the primary key cannot be removed")
        return Keyring(kept for kept in self._keys if kept != key)

    def seal(self, plaintext: bytes, additional: bytes = b"", *, random_bytes: NonceSource | None = None) -> bytes:
        """Wrap in a version 1 envelope with the primary key.

        A random nonce of 96 bits is safe for 2^32 packets of one key (NIST SP 800-38D, 8.3): at 100 packets a second
        for all hosts together, more than a year. `random_bytes` is replaced only by tests.
        """
        nonce = (random_bytes or secrets.token_bytes)(NONCE_LENGTH)
        return b"\x01" + nonce + self._ciphers[0].encrypt(nonce, plaintext, additional or None)

    def open(self, envelope: bytes, additional: bytes = b"") -> bytes:
        """Unwrap an envelope of version 0 or 1 with whichever key fits; `DecryptError` when none does."""
        if len(envelope) < OVERHEAD:
            raise DecryptError(f"{len(envelope)} bytes are too few for an encrypted envelope")
        version = envelope[0]
        if version > 1:
            raise DecryptError(f"encryption version {version} is not known")
        nonce, sealed = envelope[1 : 1 + NONCE_LENGTH], envelope[1 + NONCE_LENGTH :]
        for cipher in self._ciphers:
            try:
                plaintext = cipher.decrypt(nonce, sealed, additional or None)
            except InvalidTag:
                continue
            return _unpad(plaintext) if version == 0 else plaintext
        raise DecryptError("no key of the keyring opens this envelope")


def _unpad(plaintext: bytes) -> bytes:
    """Take the PKCS#7 padding of a version 0 envelope away."""
    padding = plaintext[-1] if plaintext else 0
    if not 1 <= padding <= BLOCK_LENGTH or len(plaintext) % BLOCK_LENGTH:
        raise DecryptError("a version 0 envelope is not padded to 16 bytes")
    return plaintext[:-padding]
