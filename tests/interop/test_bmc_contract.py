"""Every driver for BMCs against every BMC there is: what each of them keeps, whatever happens to the BMC or the path.

BMCs: pyghmi's own server, Debian's ipmi_sim, OpenStack's sushy-emulator. Each runs in a network namespace of its own.
What a BMC cannot do by itself (be slow, freeze in mid-login, lie over HTTPS) is done by the path to it.

In all cases: no operation outlives its deadline by more than the named grace, nothing is left running, no error or log
holds the password, and a BMC that was not logged in to switched nothing.
"""

import contextlib
import dataclasses
import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from remediation.fencing.bmc_process import GRACE_SECONDS
from remediation.fencing.driver import FenceDriver, FenceTarget, PowerState
from remediation.fencing.errors import FenceError, Stage
from remediation.fencing.evidence import Evidence
from remediation.fencing.ipmi import IpmiDriver
from remediation.fencing.redfish import RedfishDriver
from remediation.fencing.secret import Secret
from tests.support.bmc_path import TcpPath, UdpPath
from tests.support.bmc_servers import PASSWORD, BmcServer, IpmiSim, SushyEmulator
from tests.support.mixed_pool import loopback_of_its_own
from tests.unit.fencing.conftest import BmcProcess, operations, process_texts

OTHER_GUID = "4c4c4544-0042-3510-8052-b4c04f564431"
WRONG_PASSWORD = "sierra-2-secret"
DRIVERS: dict[str, FenceDriver] = {"ipmi": IpmiDriver(), "redfish": RedfishDriver()}
# The emulator's host needs up to 11 s to go off or on, and a session gets half of the time that is left.
PLENTY = 40.0
SHORT = 3.0
_T = TypeVar("_T")


class PyghmiBmc(BmcProcess):
    """pyghmi's own server; see simulated_bmc.py."""

    guid = "00000000-0000-0000-0000-000000000001"

    def power_offs(self) -> int:
        return self.lines.count("power-off")


Start = Callable[..., BmcServer]


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    with loopback_of_its_own():
        yield


@pytest.fixture(params=[PyghmiBmc, IpmiSim, SushyEmulator], ids=["pyghmi", "ipmi_sim", "sushy-emulator"])
def start(request: pytest.FixtureRequest, tmp_path: Path, loopback: None) -> Iterator[Start]:
    """Starts one BMC of each kind in turn."""
    started: list[BmcServer] = []

    def start_one(**options: object) -> BmcServer:
        directory = tmp_path / str(len(started))
        directory.mkdir()
        started.append(request.param(directory, **options))
        return started[-1]

    yield start_one
    for bmc in started:
        bmc.end()


@pytest.fixture(autouse=True)
def nothing_is_told(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No log, of ours or of a library, holds a password, and nothing that talks to a BMC is left."""
    with caplog.at_level(logging.DEBUG):
        yield
    assert PASSWORD not in caplog.text
    assert WRONG_PASSWORD not in caplog.text
    assert operations() == []


def timed(act: Callable[[FenceTarget, float], _T], target: FenceTarget, seconds: float) -> _T:
    began = time.monotonic()
    try:
        return act(target, seconds)
    finally:
        assert time.monotonic() - began < seconds + GRACE_SECONDS


def fence(bmc: BmcServer, seconds: float = PLENTY, **changes: object) -> Evidence:
    return timed(DRIVERS[bmc.driver].fence, bmc.target(**changes), seconds)


def power(bmc: BmcServer) -> PowerState:
    return timed(DRIVERS[bmc.driver].power_state, bmc.target(), PLENTY)


def failure(bmc: BmcServer, seconds: float, **changes: object) -> FenceError:
    """Fence, and return the error; the BMC was told to switch nothing off."""
    with pytest.raises(FenceError) as caught:
        fence(bmc, seconds, **changes)
    assert bmc.power_offs() == 0
    for secret in (PASSWORD, WRONG_PASSWORD):
        assert secret not in repr(caught.value) + str(caught.value)
    assert caught.value.host == "cmp-1"
    return caught.value


def path_to(bmc: BmcServer, *, passes: int | None = None, delay: float = 0.0) -> UdpPath | TcpPath:
    kind = UdpPath if bmc.driver == "ipmi" else TcpPath
    return kind(bmc.port, passes=passes, delay=delay)


@contextlib.contextmanager
def dropping(port: int) -> Iterator[None]:
    """Meanwhile every packet to the port vanishes."""
    rules = (
        "add table inet hole\nadd chain inet hole input { type filter hook input priority 0; }\n"
        f"add rule inet hole input meta l4proto {{ tcp, udp }} th dport {port} drop\n"
    )
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True, timeout=10)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "hole"], check=True, timeout=10)


def test_host_is_fenced_proved_off_and_switched_on_again(start: Start) -> None:
    bmc = start(power="on")
    driver = DRIVERS[bmc.driver]
    assert power(bmc) is PowerState.ON
    assert timed(driver.read_guid, bmc.target(), PLENTY) == bmc.guid

    evidence = fence(bmc, guid=bmc.guid)

    assert (evidence.host, evidence.method, evidence.details["was"]) == ("cmp-1", bmc.driver, "on")
    assert (evidence.details["guid"], evidence.details["identity"]) == (bmc.guid, "as in the inventory")
    assert power(bmc) is PowerState.OFF

    # Off already is evidence too, and the power-off is sent all the same.
    asked = bmc.power_offs()
    assert fence(bmc).details["was"] == "off"
    assert bmc.power_offs() == asked + 1

    timed(driver.power_on, bmc.target(guid=bmc.guid), PLENTY)
    assert power(bmc) is PowerState.ON


def test_bmc_that_says_off_and_then_on_gives_no_evidence_until_the_host_is_off(start: Start) -> None:
    # Given a BMC that accepts the first power-off, shows for one reading what was asked of it, and does nothing.
    bmc = start(power="on", lies=1)

    evidence = fence(bmc)

    assert (evidence.details["was"], int(evidence.details["rounds"])) == ("on", 2)
    assert power(bmc) is PowerState.OFF


@pytest.mark.parametrize("wrong", [{"password": Secret(WRONG_PASSWORD)}, {"user": "nobody"}], ids=["password", "user"])
def test_wrong_credentials_are_final_and_switch_nothing(start: Start, wrong: dict[str, object]) -> None:
    bmc = start()

    error = failure(bmc, 8.0, **wrong)

    assert error.stage is Stage.LOGIN
    if "user" in wrong and isinstance(bmc, PyghmiBmc):
        # pyghmi's server does not answer an unknown user (serversession.py), and silence is never final.
        assert (error.is_final, "did not answer" in error.sentence) == (False, True)
    else:
        assert (error.is_final, "in the inventory" in error.sentence) == (True, True)


@pytest.mark.parametrize("is_learned", [False, True], ids=["inventory", "learned"])
def test_bmc_of_another_machine_switches_nothing(start: Start, is_learned: bool) -> None:
    bmc = start()
    target = bmc.target(**({} if is_learned else {"guid": OTHER_GUID}))
    target = dataclasses.replace(target, learned_guid=OTHER_GUID if is_learned else "")
    driver = DRIVERS[bmc.driver]

    for act in (driver.fence, driver.power_on, driver.power_state):
        with pytest.raises(FenceError) as caught:
            timed(act, target, 15.0)
        assert (caught.value.stage, caught.value.is_final) == (Stage.IDENTIFY, True)
        for words in (bmc.guid, OTHER_GUID, "correct the address"):
            assert words in caught.value.sentence

    assert bmc.power_offs() == 0


def test_bmc_whose_packets_vanish_is_no_evidence(start: Start) -> None:
    bmc = start()

    with dropping(bmc.port):
        error = failure(bmc, SHORT)

    assert (error.stage, error.is_final) == (Stage.LOGIN, False)


def test_bmc_whose_port_is_closed_is_no_evidence(start: Start) -> None:
    bmc = start()
    bmc.end()

    error = failure(bmc, SHORT)

    assert (error.stage, error.is_final) == (Stage.LOGIN, False)


def test_bmc_that_freezes_in_mid_login_is_killed_at_the_deadline_and_tells_no_secret(start: Start) -> None:
    # Given a BMC that begins the login (IPMI: opens the session; Redfish: answers the handshake) and then is silent.
    bmc = start()
    errors: list[FenceError] = []
    with path_to(bmc, passes=2 if bmc.driver == "ipmi" else 1) as path:
        thread = threading.Thread(target=lambda: errors.append(failure(bmc, SHORT, port=path.port)))
        thread.start()
        seen: dict[int, bytes] = {}
        while thread.is_alive():  # Until the very end: a later session is a process too.
            running = process_texts()
            assert not [pid for pid, text in running.items() if PASSWORD.encode() in text]
            seen.update({pid: running[pid] for pid in operations() if pid in running})
            thread.join(0.1)

    assert len(seen) >= 2, "the operation and its session were looked at while they ran"
    assert [(error.stage, error.is_final) for error in errors] == [(Stage.LOGIN, False)]


def test_bmc_that_takes_ten_seconds_for_each_answer_is_no_evidence_in_less(start: Start) -> None:
    bmc = start()

    with path_to(bmc, delay=10.0) as path:
        error = failure(bmc, SHORT, port=path.port)

    assert not error.is_final


def test_slow_bmc_is_waited_for(start: Start) -> None:
    bmc = start(power="off")

    with path_to(bmc, delay=0.3) as path:
        assert fence(bmc, port=path.port).details["was"] == "off"
