"""Keys and their envelope; LZW in Go's flavour."""

import random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ceilo_gossip.wire import lzw
from ceilo_gossip.wire.errors import DecryptError, WireError
from ceilo_gossip.wire.keyring import MAX_KEYS, Keyring, KeyringError

A, B = b"a" * 16, b"b" * 32


@pytest.mark.parametrize("keys", [[], [b"short"], [bytes(17)], [bytes((n,)) * 16 for n in range(MAX_KEYS + 1)]])
def test_impossible_keyring_is_refused(keys: list[bytes]) -> None:
    with pytest.raises(KeyringError):
        Keyring(keys)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[]", '["***"]', '["YQ=="]'])
def test_keyring_file_that_is_none_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(KeyringError):
        Keyring.from_json(text)


def test_keyring_file_comes_back() -> None:
    ring = Keyring([B, A])
    sealed = Keyring.from_json(ring.to_json()).seal(b"text")
    assert Keyring([B]).open(sealed) == b"text"


def test_rotation_adds_uses_and_removes() -> None:
    ring = Keyring([A]).adding(B)
    assert len(ring) == 2 and len(ring.adding(B)) == 2
    assert Keyring([A]).open(ring.seal(b"x")) == b"x"
    used = ring.using(B)
    assert Keyring([B]).open(used.seal(b"x")) == b"x"
    assert len(used.removing(A)) == 1
    with pytest.raises(KeyringError):
        used.removing(B)
    with pytest.raises(KeyringError):
        ring.using(b"c" * 16)


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 100])
def test_padded_envelope_of_old_members_is_opened(length: int) -> None:
    plain = bytes(range(length))
    padding = 16 - length % 16
    nonce = bytes(12)
    envelope = b"\x00" + nonce + AESGCM(A).encrypt(nonce, plain + bytes((padding,)) * padding, None)
    assert Keyring([A]).open(envelope) == plain


def test_every_change_of_an_envelope_is_noticed_but_the_version() -> None:
    envelope = Keyring([A]).seal(b"some text", b"label")
    for place in range(1, len(envelope)):
        changed = bytearray(envelope)
        changed[place] ^= 1
        with pytest.raises(DecryptError):
            Keyring([A]).open(bytes(changed), b"label")
    with pytest.raises(DecryptError):
        Keyring([A]).open(envelope, b"other")
    with pytest.raises(DecryptError):
        Keyring([A]).open(b"\x02" + envelope[1:], b"label")


def test_no_two_envelopes_share_a_nonce() -> None:
    ring = Keyring([A])
    assert len({ring.seal(b"")[1:13] for _ in range(100)}) == 100


@pytest.mark.parametrize("length", [0, 1, 2, 255, 3838, 3839, 3840, 4096, 20_000])
@pytest.mark.parametrize("alphabet", [1, 2, 40, 256])
def test_compressed_text_comes_back_across_every_change_of_width(length: int, alphabet: int) -> None:
    rng = random.Random(length * 1000 + alphabet)
    plain = bytes(rng.randrange(alphabet) for _ in range(length))
    assert lzw.decompress(lzw.compress(plain), limit=length) == plain


def test_full_table_is_used_on_without_a_clear() -> None:
    # An encoder that never clears: each code is a literal, and the table fills up behind it.
    writer_codes = [256, *(n % 256 for n in range(5000)), 257]
    window = bits = 0
    width, entries = 9, 258
    packed = bytearray()
    for place, code in enumerate(writer_codes):
        window |= code << bits
        bits += width
        while bits >= 8:
            packed.append(window & 0xFF)
            window, bits = window >> 8, bits - 8
        if place >= 2 and entries < 4096:
            entries += 1
        if entries >= 1 << width and width < 12:
            width += 1
    packed.append(window & 0xFF)
    assert lzw.decompress(bytes(packed), limit=5000) == bytes(n % 256 for n in range(5000))


@pytest.mark.parametrize("stream", [b"", b"\x00", b"\xff\xff", lzw.compress(b"text")[:-2], b"\x00\x05\x06"])
def test_impossible_lzw_is_a_wire_error(stream: bytes) -> None:
    with pytest.raises(WireError):
        lzw.decompress(stream, limit=1000)


def test_expansion_stops_at_its_limit() -> None:
    with pytest.raises(WireError, match="more than 99"):
        lzw.decompress(lzw.compress(bytes(100)), limit=99)
