"""The watchdog behaves as the kernel's: armed by open, stopped only by the magic close, and it bites once."""

import errno
import struct

import pytest

from minicloud import watchdog_device as device
from minicloud.watchdog_device import Watchdog


def failure(error: pytest.ExceptionInfo[OSError]) -> int | None:
    return error.value.errno


def test_an_unopened_watchdog_never_fires() -> None:
    assert not Watchdog().has_fired(1e9)


def test_opening_arms_it_and_silence_fires_it_once() -> None:
    watchdog = Watchdog()
    watchdog.open(100.0)
    assert not watchdog.has_fired(159.9)
    assert watchdog.has_fired(160.0)
    assert not watchdog.has_fired(161.0)
    assert watchdog.boot_status == device.WDIOF_CARDRESET


def test_a_second_open_is_busy() -> None:
    watchdog = Watchdog()
    watchdog.open(0.0)
    with pytest.raises(OSError, match="open already") as error:
        watchdog.open(1.0)
    assert failure(error) == errno.EBUSY


def test_a_write_feeds_it_and_an_empty_one_does_not() -> None:
    watchdog = Watchdog()
    watchdog.open(0.0)
    watchdog.write(b"\0", 50.0)
    watchdog.write(b"", 90.0)
    assert watchdog.deadline == 110.0


@pytest.mark.parametrize(("last_write", "deadline"), [(b"V", None), (b"\0", 15.0 + 60), (b"no V after all: V", None)])
def test_only_the_magic_character_lets_close_stop_it(last_write: bytes, deadline: float | None) -> None:
    watchdog = Watchdog()
    key = watchdog.open(0.0)
    watchdog.write(last_write, 10.0)
    watchdog.close(key, 15.0)
    assert watchdog.deadline == deadline
    assert not watchdog.is_open


def test_feeding_after_the_magic_character_takes_it_back() -> None:
    watchdog = Watchdog()
    key = watchdog.open(0.0)
    watchdog.write(b"V", 10.0)
    watchdog.write(b"\0", 11.0)
    watchdog.close(key, 12.0)
    assert watchdog.deadline == 72.0


def test_a_close_from_before_a_power_cut_means_nothing() -> None:
    watchdog = Watchdog()
    before = watchdog.open(0.0)
    watchdog.write(b"V", 1.0)
    watchdog.reset()
    watchdog.open(2.0)
    watchdog.close(before, 3.0)
    assert watchdog.is_open
    assert watchdog.deadline == 62.0


def test_power_off_disarms_it_and_restores_the_factory_timeout() -> None:
    watchdog = Watchdog()
    watchdog.open(0.0)
    watchdog.set_timeout(5, 0.0)
    watchdog.reset()
    assert (watchdog.deadline, watchdog.timeout, watchdog.is_open) == (None, device.DEFAULT_TIMEOUT, False)


def test_ioctls_have_the_kernels_numbers() -> None:
    # As strace prints them: linux/watchdog.h on x86-64.
    assert device.WDIOC_GETSUPPORT == 0x80285700
    assert device.WDIOC_KEEPALIVE == 0x80045705
    assert device.WDIOC_SETTIMEOUT == 0xC0045706
    assert device.WDIOC_GETTIMELEFT == 0x8004570A


def test_timeout_is_set_read_back_and_counts_from_then() -> None:
    watchdog = Watchdog()
    watchdog.open(0.0)
    assert watchdog.ioctl(device.WDIOC_SETTIMEOUT, struct.pack("<i", 7), 10.0) == struct.pack("<i", 7)
    assert watchdog.ioctl(device.WDIOC_GETTIMEOUT, b"", 11.0) == struct.pack("<i", 7)
    assert watchdog.ioctl(device.WDIOC_GETTIMELEFT, b"", 12.5) == struct.pack("<i", 4)
    watchdog.ioctl(device.WDIOC_KEEPALIVE, struct.pack("<i", 0), 12.5)
    assert watchdog.deadline == 19.5


@pytest.mark.parametrize("timeout", [0, -1, 65536])
def test_a_timeout_that_no_hardware_counts_is_invalid(timeout: int) -> None:
    with pytest.raises(OSError, match="timeout") as error:
        Watchdog().ioctl(device.WDIOC_SETTIMEOUT, struct.pack("<i", timeout), 0.0)
    assert failure(error) == errno.EINVAL


@pytest.mark.parametrize(
    ("command", "number"),
    [
        (device.WDIOC_SETOPTIONS, errno.EOPNOTSUPP),
        (device.WDIOC_SETPRETIMEOUT, errno.EOPNOTSUPP),
        (0x5401, errno.ENOTTY),
    ],
)
def test_what_it_cannot_do_is_refused_as_the_kernel_refuses(command: int, number: int) -> None:
    with pytest.raises(OSError, match=r"cannot|no watchdog") as error:
        Watchdog().ioctl(command, struct.pack("<i", 0), 0.0)
    assert failure(error) == number


def test_support_names_the_three_options() -> None:
    options, _firmware, identity = struct.unpack("<II32s", Watchdog().ioctl(device.WDIOC_GETSUPPORT, b"", 0.0))
    assert options == 0x8180
    assert identity.rstrip(b"\0") == device.IDENTITY
