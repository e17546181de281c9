"""remediation-engine as a process: it starts, it ends on a signal, and says what keeps it from either."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from remediation.cmd.engine import main
from remediation.store import migrate
from tests.support.matrices import SHIPPED

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "bmc.yaml").write_text(
        'cmp-1: {driver: ipmi, address: 192.0.2.1, user: fence, password: "not-a-real-one"}\n'
    )
    (tmp_path / "bmc.yaml").chmod(0o600)
    migrate.upgrade(f"sqlite:///{tmp_path}/incidents.sqlite")
    configure(tmp_path)
    return tmp_path


def configure(directory: Path, **changes: str) -> None:
    """Write a sound configuration, Nova at a port where nobody listens, with some lines replaced."""
    lines = {
        "connection": f"connection = sqlite:///{directory}/incidents.sqlite",
        "file": f"file = {SHIPPED}",
        "witnesses": "witnesses = ctl-1, ctl-2, ctl-3",
        "engine": "host = ctl-1\nlease = 30",
        "transport": "transport_url = fake://",
        **changes,
    }
    (directory / "remediation.conf").write_text(
        f"[DEFAULT]\n{lines['transport']}\n[database]\n{lines['connection']}\n[matrix]\n{lines['file']}\n"
        f"[confirm]\n{lines['witnesses']}\ntimeout = 0.2\n[fencing]\ninventory_file = {directory}/bmc.yaml\n"
        f"[engine]\n{lines['engine']}\n"
        "[nova]\nauth_type = password\nauth_url = http://127.0.0.1:9/v3\nusername = u\npassword = p\n"
        "project_name = p\nuser_domain_name = Default\nproject_domain_name = Default\n"
    )


@pytest.fixture
def start(directory: Path) -> Iterator[Start]:
    processes: list[subprocess.Popen[str]] = []

    def begin() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "remediation.cmd.engine", "--config-file", str(directory / "remediation.conf")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("OS_")},
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def wait_for_line(process: "subprocess.Popen[str]", text: str) -> None:
    assert process.stdout is not None
    deadline = time.monotonic() + 60.0
    for line in process.stdout:
        if text in line:
            return
        assert time.monotonic() < deadline
    raise AssertionError(f"the process ended without saying {text!r}")


def test_engine_runs_until_a_signal_and_only_once_for_a_name(start: Start) -> None:
    process = start()
    wait_for_line(process, "looks for incidents")
    second = start()
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "another engine of the name ctl-1 runs here" in output
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "ends after SIGTERM" in output


def test_killed_engine_leaves_no_lock_behind(start: Start) -> None:
    process = start()
    wait_for_line(process, "looks for incidents")
    process.kill()
    process.communicate(timeout=60)
    wait_for_line(start(), "looks for incidents")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"witnesses": "witnesses = ctl-1, ctl-2"}, "[confirm] witnesses: names 2 hosts"),
        ({"engine": "lease = 1"}, "[engine] lease"),
        ({"engine": "host = not a host"}, "[engine] host"),
        ({"engine": "lab_skip_fencing = true"}, "[engine] lab_skip_fencing"),
        ({"file": "file = /nowhere/matrix.yaml"}, "/nowhere/matrix.yaml"),
    ],
)
def test_configuration_that_cannot_be_used_is_refused_with_code_2(
    directory: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, str], text: str
) -> None:
    configure(directory, **changes)
    assert main(["--config-file", str(directory / "remediation.conf")]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("rabbit://u:s3/cretPW@192.0.2.1:5672/", "is not a valid URL"),
        ("rabbit://u:p@192.0.2.1:s3cretPW/", "is not a valid URL"),
        ("rabbit://[u:s3cretPW@192.0.2.1/", "is not a valid URL"),
        ("rabbit://u:pa$cretPW@192.0.2.1/", "is not a valid URL"),
        ("s3cretPW", "is not a valid URL"),
        ("rabbit://", "names no host"),
    ],
)
def test_bad_url_of_the_message_bus_is_one_line_that_quotes_no_password(
    directory: Path, capsys: pytest.CaptureFixture[str], url: str, text: str
) -> None:
    configure(directory, transport=f"transport_url = {url}")
    assert main(["--config-file", str(directory / "remediation.conf")]) == 2
    error = capsys.readouterr().err
    assert f"remediation-engine: [DEFAULT] transport_url: {text}" in error
    assert "s3" not in error
    assert "cretPW" not in error


def test_message_bus_without_a_driver_is_one_line_that_quotes_no_password(directory: Path, start: Start) -> None:
    configure(directory, transport="transport_url = rabit://u:s3cretPW@192.0.2.1/")
    process = start()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert "remediation-engine: [DEFAULT] transport_url: begins with the name of no message bus driver" in output
    assert "Traceback" not in output
    assert "s3cretPW" not in output


def test_inventory_that_cannot_be_used_is_refused_with_code_2(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "bmc.yaml").write_text("version: 9\n")
    assert main(["--config-file", str(directory / "remediation.conf")]) == 2
    assert "bmc.yaml" in capsys.readouterr().err


def test_host_that_cannot_be_fenced_is_told_and_keeps_no_other_from_it(directory: Path, start: Start) -> None:
    with (directory / "bmc.yaml").open("a") as inventory:
        inventory.write("cmp-2: {driver: ipmi, address: 192.0.2.2, user: fence, password_file: nowhere}\n")
    process = start()
    wait_for_line(process, "a host cannot be fenced: ")
    wait_for_line(process, "1 hosts can be fenced")
    wait_for_line(process, "looks for incidents")


@pytest.mark.parametrize(
    ("place", "text"),
    [("/other.sqlite", "remediation-manage db upgrade"), ("/no/such/directory.sqlite", "the database cannot be used")],
)
def test_database_that_cannot_be_used_is_named(directory: Path, start: Start, place: str, text: str) -> None:
    configure(directory, connection=f"connection = sqlite:///{directory}{place}")
    process = start()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert text in output
    assert "Traceback" not in output
