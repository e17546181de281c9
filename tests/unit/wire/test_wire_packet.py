"""The layers of a UDP packet, and the traps in each."""

import zlib

import pytest

from ceilo_gossip.wire import packet as packets
from ceilo_gossip.wire.codec import encode
from ceilo_gossip.wire.errors import DecryptError, LabelError, WireError
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Ack, Nack, Suspect, UserMessage
from ceilo_gossip.wire.packet import compress, make_compound, pack_datagram, unpack_datagram

KEY, OTHER_KEY = bytes(range(16)), bytes(range(32))
ACK = encode(Ack(7))


def crc(payload: bytes) -> bytes:
    return b"\x0c" + zlib.crc32(payload).to_bytes(4, "big") + payload


@pytest.mark.parametrize("keyring", [None, Keyring([KEY]), Keyring([OTHER_KEY, KEY])])
@pytest.mark.parametrize("label", [b"", b"storage"])
@pytest.mark.parametrize("with_crc", [False, True])
def test_every_combination_of_layers_comes_back(keyring: Keyring | None, label: bytes, with_crc: bool) -> None:
    parts = [ACK, encode(Nack(8)), encode(UserMessage(b"\x03abc"))]
    data = pack_datagram(parts, keyring=keyring, label=label, with_crc=with_crc)
    unpacked = unpack_datagram(data, keyring=keyring, label=label)
    assert unpacked.messages == (Ack(7), Nack(8), UserMessage(b"\x03abc")) and unpacked.refused == 0


def test_encrypted_packet_begins_with_the_version_and_hides_its_content() -> None:
    data = pack_datagram([encode(UserMessage(b"secret"))], keyring=Keyring([KEY]))
    assert data[0] == 1 and b"secret" not in data and len(data) == 7 + 29


def test_any_key_of_the_ring_opens_but_only_the_primary_seals() -> None:
    new, old = Keyring([OTHER_KEY, KEY]), Keyring([KEY])
    assert unpack_datagram(pack_datagram([ACK], keyring=old), keyring=new).messages == (Ack(7),)
    with pytest.raises(DecryptError):
        unpack_datagram(pack_datagram([ACK], keyring=new), keyring=old)


def test_plain_packet_is_refused_by_an_encrypted_pool() -> None:
    with pytest.raises(DecryptError):
        unpack_datagram(ACK, keyring=Keyring([KEY]))


def test_encrypted_packet_is_an_error_in_a_plain_pool() -> None:
    with pytest.raises(WireError):
        unpack_datagram(pack_datagram([ACK], keyring=Keyring([KEY])))


def test_label_is_authenticated_with_the_content() -> None:
    data = pack_datagram([ACK], keyring=Keyring([KEY]), label=b"one")
    forged = data.replace(b"one", b"two", 1)
    with pytest.raises(DecryptError):
        unpack_datagram(forged, keyring=Keyring([KEY]), label=b"two")


@pytest.mark.parametrize(("sent", "expected"), [(b"", b"x"), (b"x", b""), (b"x", b"y")])
def test_packet_of_another_label_is_refused(sent: bytes, expected: bytes) -> None:
    with pytest.raises(LabelError):
        unpack_datagram(pack_datagram([ACK], label=sent), label=expected)


def test_empty_label_header_is_refused() -> None:
    with pytest.raises(WireError):
        unpack_datagram(b"\xf4\x00" + ACK)


def test_checksum_of_a_compressed_compound_is_understood() -> None:
    assert unpack_datagram(crc(compress(make_compound([ACK, ACK])))).messages == (Ack(7), Ack(7))


def test_compression_inside_a_compound_is_understood() -> None:
    assert unpack_datagram(make_compound([compress(ACK), ACK])).messages == (Ack(7), Ack(7))


def test_wrong_checksum_is_refused() -> None:
    with pytest.raises(WireError, match="checksum"):
        unpack_datagram(crc(ACK)[:-1] + b"\x08")


def test_checksum_inside_compression_is_refused_as_by_agents() -> None:
    with pytest.raises(WireError, match="type 12"):
        unpack_datagram(compress(crc(ACK)))


@pytest.mark.parametrize("count", [1, 127, 128, 200, 255])
def test_compounds_of_any_size_are_understood(count: int) -> None:
    assert unpack_datagram(make_compound([ACK] * count)).messages == (Ack(7),) * count


def test_compound_that_an_old_agent_would_misread_is_never_sent() -> None:
    with pytest.raises(AssertionError):
        pack_datagram([ACK] * 128)
    with pytest.raises(AssertionError):
        pack_datagram([ACK, b""])


def test_empty_part_is_left_out_and_counted() -> None:
    unpacked = unpack_datagram(make_compound([ACK, b"", encode(Nack(8))]))
    assert unpacked.messages == (Ack(7), Nack(8)) and unpacked.refused == 1


def test_complete_parts_of_a_cut_off_compound_count() -> None:
    unpacked = unpack_datagram(make_compound([ACK, encode(Nack(8)), ACK])[:-1])
    assert unpacked.messages == (Ack(7), Nack(8)) and unpacked.refused == 1


def test_illegal_part_does_not_stop_the_others() -> None:
    unpacked = unpack_datagram(make_compound([b"\x63junk", encode(Suspect(1, "a", "b"))]))
    assert unpacked.messages == (Suspect(1, "a", "b"),) and unpacked.refused == 1


def test_nesting_is_bounded() -> None:
    data = ACK
    for _ in range(packets.MAX_NESTING + 1):
        data = make_compound([data])
    with pytest.raises(WireError, match="nest"):
        unpack_datagram(data)


def test_compound_of_compounds_yields_a_bounded_number_of_messages() -> None:
    inner = make_compound([b"\x08"] * 255)
    unpacked = unpack_datagram(make_compound([inner] * 60))
    assert len(unpacked.messages) <= packets.MAX_MESSAGES and unpacked.refused > 0


def test_compressed_bomb_is_refused_at_its_limit() -> None:
    bomb = compress(b"\x08" + bytes(packets.MAX_EXPANDED))
    assert len(bomb) < 4096
    with pytest.raises(WireError, match="more than"):
        unpack_datagram(bomb)


def test_bombs_in_one_packet_share_the_limit() -> None:
    bomb = compress(b"\x08" + bytes(packets.MAX_EXPANDED // 3))
    unpacked = unpack_datagram(make_compound([bomb] * 8))
    assert len(unpacked.messages) == 2 and unpacked.refused == 6


@pytest.mark.parametrize(
    "data", [b"", b"\x07", b"\x07\x00", b"\x0c", b"\x0c\x00", b"\x09", b"\x06\x80", b"\x63", b"\xf4"]
)
def test_stub_of_a_packet_is_a_wire_error(data: bytes) -> None:
    with pytest.raises(WireError):
        unpack_datagram(data)
