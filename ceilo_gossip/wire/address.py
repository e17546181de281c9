"""A gossip address, and the raw bytes in which the protocol writes its host part.

IPv4 comes in two raw forms, 4 bytes and 16 bytes (IPv4-mapped), and peers compare the raw bytes. So records keep the
bytes they received untouched, and only dialling and display use the normal form made here.
"""

import functools
import ipaddress
from dataclasses import dataclass

from ceilo_gossip.wire.errors import WireError

MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """Where a member's gossip socket is.

    host: an IPv4 or IPv6 address in text form, never a name.
    port: UDP and TCP port, 1..65535.
    """

    host: str
    port: int

    def __post_init__(self) -> None:
        if not 1 <= self.port <= MAX_PORT:
            raise WireError(f"port {self.port} is not within 1..{MAX_PORT}")
        host_to_raw(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def raw_host(self) -> bytes:
        """The host as 4 or 16 bytes, the form in which we announce ourselves."""
        return host_to_raw(self.host)


@functools.lru_cache(maxsize=4096)
def host_to_raw(host: str) -> bytes:
    """The 4 or 16 bytes of an address in text form; `WireError` when it is not one."""
    try:
        return ipaddress.ip_address(host).packed
    except ValueError as error:
        raise WireError(f"{host!r} is not an IP address") from error


@functools.lru_cache(maxsize=4096)
def raw_to_host(raw: bytes) -> str:
    """The text form of 4 or 16 raw bytes, IPv4-mapped ones as IPv4; `WireError` for any other length."""
    if len(raw) == 4:
        return str(ipaddress.IPv4Address(raw))
    if len(raw) == 16:
        address = ipaddress.IPv6Address(raw)
        return str(address.ipv4_mapped or address)
    raise WireError(f"an address of {len(raw)} bytes is neither IPv4 nor IPv6")


@functools.lru_cache(maxsize=4096)
def is_host_of_a_member(raw: bytes) -> bool:
    """Whether a member can live there: one host's address, not "any" and not a multicast group."""
    address = ipaddress.ip_address(raw_to_host(raw))
    return not (address.is_unspecified or address.is_multicast)
