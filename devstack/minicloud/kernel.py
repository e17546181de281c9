"""The system calls that Python 3.11 has no function for: mount, umount2, setns, unshare and prctl.

Each raises OSError as the functions of `os` do.
"""

import ctypes
import functools
import os
from pathlib import Path

# From <sched.h>, <sys/mount.h> and <sys/prctl.h>.
CLONE_NEWNET = 0x40000000
MS_NOSUID = 2
MS_NODEV = 4
MS_BIND = 4096
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1

NETWORK_NAMESPACES = Path("/run/netns")


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL("libc.so.6", use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def mount(source: str, target: Path, filesystem: str, flags: int, options: str = "") -> None:
    """Mount `source` over `target`."""
    result = _libc().mount(
        source.encode(), bytes(target), filesystem.encode(), ctypes.c_ulong(flags), options.encode() or None
    )
    _check(result, f"mount {target}")


def unmount(target: Path) -> None:
    """Detach what is mounted over `target`."""
    _check(_libc().umount2(bytes(target), MNT_DETACH), f"umount {target}")


def enter_network_namespace(name: str) -> None:
    """Move the calling thread into the named network namespace; sockets it already has stay where they are."""
    descriptor = os.open(NETWORK_NAMESPACES / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc().setns(descriptor, CLONE_NEWNET), f"setns {name}")
    finally:
        os.close(descriptor)


def new_network_namespace() -> None:
    """Move the calling thread into a network namespace without a name, which ends with the last that uses it."""
    _check(_libc().unshare(CLONE_NEWNET), "unshare a network namespace")


def return_to_network_namespace(descriptor: int) -> None:
    """Move the calling thread into the network namespace that an open /proc/.../ns/net names. Raises OSError."""
    _check(_libc().setns(descriptor, CLONE_NEWNET), "setns to a network namespace")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process a signal when the thread that forked it ends; kept across exec."""
    _check(_libc().prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl PR_SET_PDEATHSIG")
