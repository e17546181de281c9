"""The watchdog device: /dev/watchdog as the kernel offers it, and the fake that stands in for it.

After Documentation/watchdog/watchdog-api.rst and the drivers. What drivers differ in, and what we make of it:

* The timeout that was asked for may be changed by the driver: what it says afterwards counts.
* A driver without "magic close" stops the device when it is closed, so a killed feeder would leave the host without a
  watchdog: such a device is refused. ipmi_watchdog has it but does not say so (its options are 0); it is known by name.
* WDIOC_GETTIMELEFT and the options may be missing: we do without.
* softdog is a timer of the kernel that it watches: refused unless the operator allows it.
* With nowayout the device cannot be stopped; closing it then feeds it once more and it goes on.
"""

import array
import errno
import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

# include/uapi/linux/watchdog.h
_GETSUPPORT: Final = 0x80285700
_SETTIMEOUT: Final = 0xC0045706
_GETTIMEOUT: Final = 0x80045707
_KEEPALIVE: Final = 0x80045705
_MAGICCLOSE: Final = 0x0100
_SUPPORT: Final = struct.Struct("=II32s")
_SAYS_NOTHING_OF_MAGIC: Final = ("IPMI",)
_SOFTDOG: Final = "Software Watchdog"


class DeviceError(Exception):
    """The device cannot be used; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An armed device. timeout: seconds, as it confirmed. identity: the driver's name for it."""

    timeout: float
    identity: str


class Device(Protocol):
    """One watchdog. `DeviceError` when it cannot be used."""

    def open(self) -> Opened:
        """Open it, which arms and feeds it, and set its timeout."""

    def feed(self) -> None:
        """Feed it."""

    def disarm(self) -> bool:
        """Stop and close it; False when it cannot be stopped, and then it is still open."""


class WatchdogDevice:
    """The device at `path`. timeout: whole seconds, to be asked for."""

    def __init__(self, path: Path, *, timeout: int, may_be_software: bool = False) -> None:
        self._path = path
        self._timeout = timeout
        self._may_be_software = may_be_software
        self._fd: int | None = None

    def open(self) -> Opened:
        """See `Device`. It is checked before it is trusted; one that is refused is disarmed again."""
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DeviceError(_why_not_open(self._path, error)) from error
        try:
            opened = self._set_up(fd)
        except (OSError, DeviceError) as error:
            os.write(fd, b"V")
            os.close(fd)
            if isinstance(error, OSError):
                raise DeviceError(f"{self._path} is no watchdog, or a broken one ({error.strerror})") from error
            raise
        self._fd = fd
        return opened

    def _set_up(self, fd: int) -> Opened:
        buffer = bytearray(_SUPPORT.size)
        fcntl.ioctl(fd, _GETSUPPORT, buffer)
        options, _, name = _SUPPORT.unpack(buffer)
        identity = name.rstrip(b"\0").decode("ascii", "replace")
        if not options & _MAGICCLOSE and not identity.startswith(_SAYS_NOTHING_OF_MAGIC):
            raise DeviceError(
                f"{self._path} ({identity}) stops when it is closed, so a killed process would disarm it; use another"
            )
        if identity == _SOFTDOG and not self._may_be_software:
            raise DeviceError(
                f"{self._path} is softdog, which a hanging kernel takes along; load the driver of a real watchdog, or "
                "allow it with --allow-softdog"
            )
        wanted = array.array("i", [self._timeout])
        fcntl.ioctl(fd, _SETTIMEOUT, wanted)
        confirmed = array.array("i", [0])
        fcntl.ioctl(fd, _GETTIMEOUT, confirmed)
        if confirmed[0] != self._timeout:
            # Shorter would fire too early, longer would break what others calculate from the configuration.
            raise DeviceError(
                f"{self._path} ({identity}) takes no timeout of {self._timeout} s, it says {confirmed[0]} s; "
                f"configure one that it takes"
            )
        fcntl.ioctl(fd, _KEEPALIVE, 0)
        return Opened(float(confirmed[0]), identity)

    def feed(self) -> None:
        """See `Device`. A write feeds every driver; not each has the ioctl."""
        assert self._fd is not None, "fed without being open"
        try:
            os.write(self._fd, b"\0")
        except OSError as error:
            raise DeviceError(f"{self._path} could not be fed ({error.strerror})") from error

    def disarm(self) -> bool:
        """See `Device`. Whether it may be stopped is asked of sysfs first: closing a nowayout device loses it."""
        assert self._fd is not None, "disarmed without being open"
        if self._is_nowayout():
            return False
        os.write(self._fd, b"V")
        os.close(self._fd)
        self._fd = None
        return True

    def _is_nowayout(self) -> bool:
        assert self._fd is not None
        number = os.fstat(self._fd).st_rdev
        try:
            text = Path(f"/sys/dev/char/{os.major(number)}:{os.minor(number)}/nowayout").read_text("ascii")
        except OSError:
            return False  # /dev/watchdog itself (10:130) has no entry, and older kernels have none at all.
        return text.strip() == "1"


def _why_not_open(path: Path, error: OSError) -> str:
    if error.errno == errno.EBUSY:
        return f"{path} is in use by another program (systemd's RuntimeWatchdogSec, sbd?); give it to one of them only"
    if error.errno == errno.ENOENT:
        return f"{path} does not exist; load the driver of this host's watchdog"
    return f"{path} cannot be opened ({error.strerror})"


class FakeDevice:
    """A watchdog that fires when it is not fed, on a clock that is told to it.

    fires_at: when it will reset the host; None while it is not armed. refuses: what `open` and `feed` raise.
    """

    def __init__(self, *, timeout: float = 5.0, is_nowayout: bool = False) -> None:
        self.now = 0.0
        self.timeout = timeout
        self.is_nowayout = is_nowayout
        self.fires_at: float | None = None
        self.refuses: DeviceError | None = None
        self.feeds: list[float] = []

    def open(self) -> Opened:
        """Arm it."""
        if self.refuses is not None:
            raise self.refuses
        self.fires_at = self.now + self.timeout
        return Opened(self.timeout, "fake")

    def feed(self) -> None:
        """Note the feed."""
        if self.refuses is not None:
            raise self.refuses
        self.feeds.append(self.now)
        self.fires_at = self.now + self.timeout

    def disarm(self) -> bool:
        """Stop, unless there is no way out."""
        if self.is_nowayout:
            return False
        self.fires_at = None
        return True

    def close_after_kill(self) -> None:
        """What the kernel does when the process that had it open is killed: it feeds once more."""
        if self.fires_at is not None:
            self.fires_at = self.now + self.timeout
