"""The checks that the messages' own validation is made of; each raises `WireError` naming the field."""

from ceilo_gossip.wire.address import MAX_PORT, is_host_of_a_member
from ceilo_gossip.wire.errors import WireError

MAX_NAME_LENGTH = 255  # bytes; Nova's hosts.host column. memberlist itself sets no limit.
# The last two values are kept back: a claim at the very top could be neither refuted nor outdone.
MAX_INCARNATION = 2**32 - 2
# Far beyond any real clock, and far below the wrap to 0 that would make every later message an old one.
MAX_LTIME = 2**63
VERSION_LENGTH = 6
# What we announce, like every Serf since 2016: memberlist protocol 1..5 speaking 2, Serf protocol 2..5 speaking 5.
OUR_VERSION = bytes((1, 5, 2, 2, 5, 5))
# Agents keep to it when they announce themselves, so only a liar sends more. Not all of them check it in others.
MAX_META_LENGTH = 512


def check_range(field: str, value: int, low: int, high: int) -> None:
    if (type(value) is not int and isinstance(value, bool)) or not low <= value <= high:
        raise WireError(f"{field} is {value}, not within {low}..{high}")


def check_u32(field: str, value: int) -> None:
    check_range(field, value, 0, 2**32 - 1)


def check_ltime(field: str, value: int) -> None:
    check_range(field, value, 0, MAX_LTIME)


def check_name(field: str, name: str, *, may_be_empty: bool = False) -> None:
    """A member's name: it goes into logs and file names of tools, so it must be printable."""
    if (name.isascii() and name.isprintable() and 1 <= len(name) <= MAX_NAME_LENGTH) or (not name and may_be_empty):
        return
    if not 1 <= len(name.encode("utf-8", "surrogatepass")) <= MAX_NAME_LENGTH:
        raise WireError(f"{field} has no length within 1..{MAX_NAME_LENGTH}")
    if not name.isprintable():
        raise WireError(f"{field} {name!r} has characters that cannot be printed")


def check_member_address(raw_host: bytes, port: int) -> None:
    """Where a member says it lives: one host's address and a port."""
    if not is_host_of_a_member(raw_host):
        raise WireError("a member cannot live at an unspecified or a multicast address")
    check_range("port", port, 1, MAX_PORT)


def check_version(version: bytes) -> None:
    """Refuse a version vector that would make agents crash or refuse every exchange with us.

    memberlist 0.2.2 dies of 1..5 bytes, and once it has stored an empty vector nobody can join through it.
    """
    if len(version) != VERSION_LENGTH:
        raise WireError(f"a version vector has {VERSION_LENGTH} bytes, not {len(version)}")
    low, high, current, serf_low, serf_high, serf_current = version
    if low == 0 or not low <= current <= high:
        raise WireError(f"memberlist protocol {low}..{high} speaking {current} is impossible")
    if not serf_low <= serf_current <= serf_high:
        raise WireError(f"Serf protocol {serf_low}..{serf_high} speaking {serf_current} is impossible")


def is_compatible(version: bytes) -> bool:
    """Whether a member with this (checked) vector can be in one pool with all others for which this is true.

    An agent refuses an exchange in which some member speaks what another one does not understand, so two members that
    each fit us may poison the pool together: one that understands Serf protocol 5 only, and one that speaks 2. So
    everybody has to understand what all may speak: of memberlist protocol 2, which every agent since 2013 speaks, and
    of Serf's all from 2 to 5, as every agent since 2016 does. Who does not is never stored.
    """
    low, high, current, serf_low, serf_high, serf_current = version
    speaks = OUR_VERSION[2]
    serf_first, serf_last = OUR_VERSION[3:5]
    return (
        low <= speaks <= high
        and current == speaks
        and serf_low <= serf_first
        and serf_last <= serf_high
        and serf_first <= serf_current <= serf_last
    )
