"""A host's hardware watchdog: a file that behaves as /dev/watchdog, served through FUSE from outside the host.

`Watchdog` is the hardware, without I/O; `WatchdogFile` is its appearance as a file. The root of the file system is
that one regular file, so it can be mounted over any file (raw /dev/fuse protocol, the kernel's uapi/linux/fuse.h).
What programs see follows drivers/watchdog/watchdog_dev.c: opening starts it and a second open is EBUSY, a write or
WDIOC_KEEPALIVE feeds it, a `V` written before close stops it, close without does not, and the ioctls are the real ones.
Deviation: WDIOC_SETOPTIONS is refused; its number says that the kernel writes the argument, so FUSE never passes it.
"""

import contextlib
import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

from minicloud import kernel

DEFAULT_TIMEOUT = 60
"""Seconds, until WDIOC_SETTIMEOUT; the kernel's customary default."""
MIN_TIMEOUT, MAX_TIMEOUT = 1, 65535

# include/uapi/linux/watchdog.h: what the device can do, and what it says of its last reset.
WDIOF_SETTIMEOUT, WDIOF_MAGICCLOSE, WDIOF_KEEPALIVEPING = 0x80, 0x100, 0x8000
WDIOF_CARDRESET = 0x20
OPTIONS = WDIOF_SETTIMEOUT | WDIOF_MAGICCLOSE | WDIOF_KEEPALIVEPING
IDENTITY = b"minicloud watchdog"


def _watchdog_ioctl(direction: int, number: int, size: int = 4) -> int:
    """Number an ioctl as _IOC of asm-generic/ioctl.h does; direction 2 is read, 3 is both."""
    return (direction << 30) | (size << 16) | (ord("W") << 8) | number


WDIOC_GETSUPPORT = _watchdog_ioctl(2, 0, 40)
WDIOC_GETSTATUS = _watchdog_ioctl(2, 1)
WDIOC_GETBOOTSTATUS = _watchdog_ioctl(2, 2)
WDIOC_SETOPTIONS = _watchdog_ioctl(2, 4)
WDIOC_KEEPALIVE = _watchdog_ioctl(2, 5)
WDIOC_SETTIMEOUT = _watchdog_ioctl(3, 6)
WDIOC_GETTIMEOUT = _watchdog_ioctl(2, 7)
WDIOC_SETPRETIMEOUT = _watchdog_ioctl(3, 8)
WDIOC_GETPRETIMEOUT = _watchdog_ioctl(2, 9)
WDIOC_GETTIMELEFT = _watchdog_ioctl(2, 10)


class Watchdog:
    """The hardware: counts down from `timeout` while it is armed. Instants are arguments, in seconds."""

    def __init__(self) -> None:
        self.timeout = DEFAULT_TIMEOUT
        self.deadline: float | None = None
        """When it fires; None while it is not armed."""
        self.boot_status = 0
        self._holder: int | None = None
        self._opens = 0
        self._may_stop = False

    @property
    def is_open(self) -> bool:
        return self._holder is not None

    def open(self, now: float) -> int:
        """Arm it and return a key for `close`; OSError EBUSY if somebody has it open."""
        if self._holder is not None:
            raise OSError(errno.EBUSY, "the watchdog is open already")
        self._opens += 1
        self._holder = self._opens
        self._may_stop = False
        self.deadline = now + self.timeout
        return self._holder

    def write(self, data: bytes, now: float) -> None:
        """Feed it; a `V` lets the next close stop it. An empty write does nothing."""
        if data:
            self._may_stop = b"V" in data
            self.feed(now)

    def feed(self, now: float) -> None:
        if self.deadline is not None:
            self.deadline = now + self.timeout

    def close(self, key: int, now: float) -> None:
        """Stop it if it may stop, else feed it a last time. A key from before the last reset means nothing."""
        if key != self._holder:
            return
        self._holder = None
        if self._may_stop:
            self.deadline = None
        else:
            self.feed(now)

    def set_timeout(self, timeout: int, now: float) -> None:
        """OSError EINVAL if no hardware counts that far."""
        if not MIN_TIMEOUT <= timeout <= MAX_TIMEOUT:
            raise OSError(errno.EINVAL, f"a timeout of {timeout} s")
        self.timeout = timeout
        self.feed(now)

    def time_left(self, now: float) -> int:
        """Return whole seconds until it fires; 0 if it is not armed."""
        return 0 if self.deadline is None else max(0, int(self.deadline - now))

    def has_fired(self, now: float) -> bool:
        """Say whether it has run out by now; says so once."""
        if self.deadline is None or now < self.deadline:
            return False
        self.deadline = None
        self.boot_status = WDIOF_CARDRESET
        return True

    def reset(self) -> None:
        """The host lost power: disarmed, with the timeout of the factory, held by nobody. The boot status is kept."""
        self.timeout = DEFAULT_TIMEOUT
        self.deadline = None
        self._holder = None

    def ioctl(self, command: int, argument: bytes, now: float) -> bytes:
        """Carry out a watchdog ioctl and return what it writes back; OSError as the kernel would."""
        match command:
            case c if c == WDIOC_GETSUPPORT:
                return struct.pack("<II32s", OPTIONS, 0, IDENTITY)
            case c if c == WDIOC_GETBOOTSTATUS:
                return struct.pack("<i", self.boot_status)
            case c if c in (WDIOC_GETSTATUS, WDIOC_GETPRETIMEOUT):
                return struct.pack("<i", 0)
            case c if c == WDIOC_KEEPALIVE:
                self.feed(now)
                return struct.pack("<i", 0)
            case c if c == WDIOC_SETTIMEOUT:
                self.set_timeout(struct.unpack("<i", argument)[0], now)
                return struct.pack("<i", self.timeout)
            case c if c == WDIOC_GETTIMEOUT:
                return struct.pack("<i", self.timeout)
            case c if c == WDIOC_GETTIMELEFT:
                return struct.pack("<i", self.time_left(now))
            case c if c in (WDIOC_SETPRETIMEOUT, WDIOC_SETOPTIONS):
                raise OSError(errno.EOPNOTSUPP, "this hardware cannot do that")
            case _:
                raise OSError(errno.ENOTTY, "no watchdog ioctl")


# include/uapi/linux/fuse.h
_IN_HEADER = struct.Struct("<IIQQIIIHH")  # len opcode unique nodeid uid gid pid total_extlen padding
_OUT_HEADER = struct.Struct("<IiQ")  # len error unique
FUSE_FORGET, FUSE_GETATTR, FUSE_SETATTR, FUSE_OPEN, FUSE_WRITE = 2, 3, 4, 14, 16
FUSE_RELEASE, FUSE_INIT, FUSE_INTERRUPT, FUSE_DESTROY, FUSE_IOCTL, FUSE_BATCH_FORGET = 18, 26, 36, 38, 39, 42
FUSE_MAJOR, FUSE_MINOR = 7, 31
FOPEN_DIRECT_IO, FOPEN_NONSEEKABLE = 1, 4
# Must exceed the kernel's FUSE_MIN_READ_BUFFER of 8 kB plus a write of one page.
_BUFFER = 65536
_UNANSWERED = (FUSE_FORGET, FUSE_BATCH_FORGET, FUSE_INTERRUPT)


class WatchdogFile:
    """The watchdog mounted over a file, to be driven by its owner's event loop: register `fileno()`, call `serve`."""

    def __init__(self, watchdog: Watchdog, path: Path, clock: Callable[[], float]) -> None:
        self._watchdog = watchdog
        self._path = path
        self._clock = clock
        path.touch(mode=0o600)
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        options = f"fd={self._device},rootmode=100600,user_id=0,group_id=0"
        kernel.mount("watchdog", path, "fuse", kernel.MS_NOSUID | kernel.MS_NODEV, options)

    def fileno(self) -> int:
        return self._device

    def close(self) -> None:
        """Unmount; programs that still have the file open get ENOTCONN."""
        with contextlib.suppress(OSError):
            kernel.unmount(self._path)
        os.close(self._device)

    def serve(self) -> None:
        """Answer every request that is waiting. Raises OSError ENODEV when somebody else unmounted the file."""
        while True:
            try:
                request = os.read(self._device, _BUFFER)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EINTR):
                    return
                if error.errno == errno.ENOENT:
                    continue  # The request was withdrawn before we read it.
                raise
            _length, opcode, unique, _node, *_ = _IN_HEADER.unpack_from(request)
            if opcode in _UNANSWERED:
                continue
            try:
                failure, answer = 0, self._answer(opcode, request[_IN_HEADER.size :])
            except OSError as error:
                failure, answer = error.errno or errno.EIO, b""
            # The asker may have been killed meanwhile; then there is nobody to answer.
            with contextlib.suppress(FileNotFoundError):
                os.write(self._device, _OUT_HEADER.pack(_OUT_HEADER.size + len(answer), -failure, unique) + answer)

    def _answer(self, opcode: int, body: bytes) -> bytes:
        now = self._clock()
        match opcode:
            case c if c == FUSE_INIT:
                _major, minor, read_ahead, _flags = struct.unpack_from("<IIII", body)
                # major minor max_readahead flags max_background congestion_threshold max_write time_gran, unused rest
                head = struct.pack("<IIIIHHII", FUSE_MAJOR, min(minor, FUSE_MINOR), read_ahead, 0, 12, 10, 4096, 1)
                return head.ljust(64, b"\0")
            case c if c in (FUSE_GETATTR, FUSE_SETATTR):
                # Valid for no time; inode 1, a regular file of mode 0600.
                attributes = struct.pack("<6Q10I", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o100600, 1, 0, 0, 0, 4096, 0)
                return struct.pack("<QII", 0, 0, 0) + attributes
            case c if c == FUSE_OPEN:
                return struct.pack("<QII", self._watchdog.open(now), FOPEN_DIRECT_IO | FOPEN_NONSEEKABLE, 0)
            case c if c == FUSE_WRITE:
                _key, _offset, size = struct.unpack_from("<QQI", body)
                self._watchdog.write(body[40 : 40 + size], now)
                return struct.pack("<II", size, 0)
            case c if c == FUSE_IOCTL:
                _key, _flags, command, _arg, in_size, _out_size = struct.unpack_from("<QIIQII", body)
                return struct.pack("<iIII", 0, 0, 0, 0) + self._watchdog.ioctl(command, body[32 : 32 + in_size], now)
            case c if c == FUSE_RELEASE:
                (key,) = struct.unpack_from("<Q", body)
                self._watchdog.close(key, now)
                return b""
            case c if c == FUSE_DESTROY:
                return b""
            case _:
                # Also FLUSH: the kernel then never asks again, so a dying process does not wait for us at its close.
                raise OSError(errno.ENOSYS, "not for a watchdog")
