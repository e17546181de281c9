"""GUIDs: which texts are one, and which tell nothing."""

import uuid

import pytest

from remediation.fencing import guid as guids

DMIDECODE = "4c4c4544-0042-3510-8052-b4c04f564433"  # As a Dell server shows it.


@pytest.mark.parametrize(
    "text",
    [DMIDECODE, DMIDECODE.upper(), "{" + DMIDECODE + "}", DMIDECODE.replace("-", "")],
)
def test_guid_is_read_in_each_of_its_spellings(text):
    assert guids.parse(text) == DMIDECODE


@pytest.mark.parametrize("text", ["", "compute-1", "4c4c4544-0042", DMIDECODE + "0", "None"])
def test_what_is_no_guid_tells_nothing(text):
    assert guids.parse(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",  # The same in SMBIOS's order.
    ],
)
def test_guid_that_many_machines_share_tells_nothing(text):
    assert guids.parse(text) == ""


def test_wire_is_read_as_dmidecode_shows_it():
    assert guids.from_wire(uuid.UUID(DMIDECODE).bytes_le) == DMIDECODE
    assert guids.from_wire(b"\0" * 16) == ""
    assert guids.from_wire(b"short") == ""


@pytest.mark.parametrize(
    "other",
    [
        uuid.UUID(DMIDECODE).bytes,
        uuid.UUID(DMIDECODE).bytes_le,
        uuid.UUID(DMIDECODE).bytes[::-1],
        uuid.UUID(DMIDECODE).bytes_le[::-1],
    ],
    ids=["RFC 4122", "SMBIOS", "IPMI", "IPMI of SMBIOS"],
)
def test_two_guids_are_the_same_in_every_byte_order_that_tools_show(other):
    shown = str(uuid.UUID(bytes=other))

    assert guids.is_same(shown, DMIDECODE)
    assert guids.is_same(DMIDECODE, shown)
    assert guids.canonical(guids.canonical(shown)) == guids.canonical(DMIDECODE)


def test_one_digit_makes_another_machine():
    digits = DMIDECODE.replace("-", "")
    for position in range(32):
        changed = digits[:position] + ("0" if digits[position] != "0" else "1") + digits[position + 1 :]
        assert not guids.is_same(str(uuid.UUID(changed)), DMIDECODE)
