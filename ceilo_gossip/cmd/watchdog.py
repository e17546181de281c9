"""ceilo-gossip-watchdog: feeds the hardware watchdog while the agent of this host says that it may.

Exit codes: 0 after SIGTERM (an armed device goes on: disarm it first with `ceilo-gossip leave`), 1 when another one
runs or the socket cannot be made, 2 for wrong arguments.
"""

import argparse
import contextlib
import grp
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ceilo_gossip.contract.deadlines import MAX_WATCHDOG, MIN_WATCHDOG
from ceilo_gossip.watchdog.clock import boot_clock
from ceilo_gossip.watchdog.device import WatchdogDevice
from ceilo_gossip.watchdog.privileges import take_privileges
from ceilo_gossip.watchdog.process import AlreadyRunning, WatchdogProcess, end_on_signals

_KERN_CRIT = "<2>"  # include/linux/kern_levels.h: also shown on consoles, and kept by pstore if the host has one.


def main(argv: Sequence[str] | None = None) -> int:
    """Run it in the foreground."""
    arguments = _parser().parse_args(argv)
    device = WatchdogDevice(arguments.device, timeout=arguments.timeout, may_be_software=arguments.allow_softdog)
    process = WatchdogProcess(
        device,
        socket_path=arguments.socket,
        fenced_path=arguments.fenced_mark,
        clock=boot_clock,
        say=_say,
        group=arguments.group,
    )
    for refused in take_privileges():
        _say(refused, False)
    end_on_signals(process)
    try:
        process.run()
    except AlreadyRunning as error:
        _say(str(error), False)
        return 1
    except OSError as error:
        _say(f"{arguments.socket}: {error.strerror}; name a path on a directory that exists, in /run", False)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ceilo-gossip-watchdog", description="Feed the hardware watchdog while this host holds its lease."
    )
    parser.add_argument(
        "--device", type=Path, default=Path("/dev/watchdog"), metavar="PATH", help="default: %(default)s"
    )
    parser.add_argument(
        "--timeout",
        type=_timeout,
        default=5,
        metavar="SECONDS",
        help="whole seconds after which the device resets this host when it is not fed (default: %(default)s)",
    )
    parser.add_argument(
        "--allow-softdog",
        action="store_true",
        help="trust the kernel's software watchdog; a hung kernel takes it along",
    )
    parser.add_argument(
        "--socket", type=Path, default=Path("/run/ceilo-gossip-watchdog/watchdog.sock"), metavar="PATH",
        help="where the agent asks (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--fenced-mark", type=Path, default=Path("/run/ceilo-gossip-watchdog/fenced"), metavar="PATH",
        help="file on a memory file system that says that this host is fenced until its next boot",
    )  # fmt: skip
    parser.add_argument("--group", type=_group, metavar="GROUP", help="group that may use the socket: the agent's")
    return parser


def _timeout(text: str) -> int:
    try:
        seconds = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of seconds") from None
    if not MIN_WATCHDOG <= seconds <= MAX_WATCHDOG:
        raise argparse.ArgumentTypeError(f"{seconds} s is not within {MIN_WATCHDOG:g}..{MAX_WATCHDOG:g} s")
    return seconds


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise argparse.ArgumentTypeError(f"there is no group {name!r}; create it, or leave the option out") from None


def _say(text: str, is_grave: bool) -> None:
    line = f"ceilo-gossip-watchdog: {text}\n".encode()
    with contextlib.suppress(OSError):
        os.write(sys.stderr.fileno(), line)
    if is_grave:
        with contextlib.suppress(OSError):
            descriptor = os.open("/dev/kmsg", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(descriptor, _KERN_CRIT.encode() + line)
            finally:
                os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
