"""What is read from /proc, looked at with processes of which one knows what they do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support import process_figures
from tests.support.process_figures import Memory

MIB = 1024 * 1024


@contextmanager
def program(code: str) -> Iterator[int]:
    """Run Python code; lend its process id once it has printed a line."""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def test_process_that_computes_has_had_as_much_of_a_core_as_it_says() -> None:
    code = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ninput()"
    with program(code) as pid:
        once, twice = (process_figures.processor_seconds([pid] * count) for count in (1, 2))
    assert 0.48 <= once < 0.7  # User and system time are given in whole hundredths.
    assert twice == 2 * once


def test_memory_that_is_written_to_is_private() -> None:
    with (
        program("print(flush=True)\ninput()") as small,
        program("x = b'1' * (50 << 20)\nprint(flush=True)\ninput()") as big,
    ):
        grown = process_figures.memory(big).private - process_figures.memory(small).private
    # What the two share with each other of the interpreter may differ by a few pages.
    assert 49.5 * MIB <= grown < 52 * MIB


def test_what_processes_share_is_counted_once() -> None:
    one = Memory(resident=30, proportional=20, private=10)
    assert process_figures.alone_on_a_host([one]) == 30
    assert process_figures.alone_on_a_host([one, one, one]) == 50


def test_datagrams_sent_are_counted() -> None:
    code = (
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "for _ in range(7): s.sendto(b'x', ('127.0.0.1', 9))\nprint(flush=True)\ninput()"
    )
    before = process_figures.traffic(os.getpid(), ["lo"])
    with program(code) as pid:
        after = process_figures.traffic(pid, ["lo"])
    assert after.datagrams - before.datagrams >= 7
    assert after.sent - before.sent >= 7
