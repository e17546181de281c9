"""What a process costs, read from /proc: processor time, memory, and the traffic of the network namespace it is in."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. resident: all pages it has; proportional: each divided by its users; private: those nobody else has."""

    resident: int
    proportional: int
    private: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """Counters since the namespace was made. datagrams: UDP packets sent; sent, received: bytes of Ethernet frames."""

    datagrams: int
    sent: int
    received: int


def processor_seconds(pids: Iterable[int]) -> float:
    """Return the time that these processes have had on a core, with all their threads; ProcessLookupError if gone."""
    return sum(_ticks(pid) for pid in pids) / _TICKS


def memory(pid: int) -> Memory:
    """Return the memory of one process."""
    kib: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]:
        name, _, rest = line.partition(":")
        kib[name] = int(rest.split()[0])
    private = kib["Private_Clean"] + kib["Private_Dirty"]
    return Memory(kib["Rss"] * _KIB, kib["Pss"] * _KIB, private * _KIB)


def alone_on_a_host(processes: Sequence[Memory]) -> int:
    """Return the bytes that processes of one program take on a host where nobody else runs it.

    Their private pages, and what they share once: its text and libraries.
    """
    return sum(one.private for one in processes) + max(one.resident - one.private for one in processes)


def traffic(pid: int, interfaces: Iterable[str]) -> Traffic:
    """Return what has gone through these interfaces of the namespace of `pid`, and its UDP over all of them."""
    wanted = frozenset(interfaces)
    sent = received = 0
    for line in Path(f"/proc/{pid}/net/dev").read_text("ascii").splitlines()[2:]:
        name, _, rest = line.partition(":")
        if name.strip() in wanted:
            fields = rest.split()
            received += int(fields[0])
            sent += int(fields[8])
    return Traffic(_datagrams_sent(pid), sent, received)


def _ticks(pid: int) -> int:
    # The program's name, in brackets, may hold anything; user and system time are the 12th and 13th after it.
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _datagrams_sent(pid: int) -> int:
    names, values = (
        line.split() for line in Path(f"/proc/{pid}/net/snmp").read_text("ascii").splitlines() if line[:4] == "Udp:"
    )
    return int(values[names.index("OutDatagrams")])
