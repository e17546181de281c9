"""The Redfish driver against a BMC over HTTPS, with the faults that BMCs have."""

import logging
import threading
import time

import pytest

from remediation.fencing.driver import PowerState
from remediation.fencing.errors import FenceError, Stage
from remediation.fencing.redfish import RedfishDriver
from remediation.fencing.secret import Secret
from tests.support.certificates import issue
from tests.unit.fencing.conftest import PASSWORD, operations, process_texts

DRIVER = RedfishDriver()
GUID, OTHER_GUID = "30313233-3435-3637-3839-414243444546", "30313233-3435-3637-3839-414243444547"


def failure(act, target, seconds=10.0):
    with pytest.raises(FenceError) as caught:
        act(target, seconds)
    assert caught.value.host == target.host
    assert PASSWORD not in str(caught.value)
    return caught.value


def test_host_that_is_on_is_switched_off_and_read_off_in_two_sessions(start_redfish):
    bmc = start_redfish(power="on")

    evidence = DRIVER.fence(bmc.target(guid=GUID), 10.0)

    assert (evidence.host, evidence.method, evidence.details["was"]) == ("cmp-1", "redfish", "on")
    assert "in two sessions, 0.3 s apart" in evidence.statement
    assert (evidence.details["guid"], evidence.details["identity"]) == (GUID, "as in the inventory")
    assert bmc.lines.count("login") == 2
    assert bmc.lines[bmc.lines.index("power-off") :].count("read off") >= 2


def test_power_off_is_asked_for_although_the_host_is_off(start_redfish):
    bmc = start_redfish(power="off")

    assert DRIVER.fence(bmc.target(), 10.0).details["was"] == "off"
    assert bmc.lines.count("power-off") == 1


def test_bmc_that_says_off_and_then_on_gives_no_evidence_until_the_host_is_off(start_redfish):
    bmc = start_redfish(power="on", lies=1)

    assert DRIVER.fence(bmc.target(), 15.0).details["rounds"] == "2"
    assert bmc.lines.count("power-off") == 2


def test_slow_power_off_is_waited_for_and_one_that_never_comes_is_no_evidence(start_redfish):
    slow, stubborn = start_redfish(slow_off=1.0), start_redfish(stubborn=1000)

    assert DRIVER.fence(slow.target(), 10.0).details["was"] == "on"
    assert failure(DRIVER.fence, stubborn.target(), 4.0).stage is Stage.CONFIRM


@pytest.mark.parametrize(
    ("status", "message"),
    [(409, "IDRAC.2.1.PSU501"), (400, "iLO.0.10.InvalidOperationForSystemState")],
    ids=["iDRAC", "iLO"],
)
def test_host_that_is_off_may_have_no_power_off_in_that_state(start_redfish, status, message):
    off = start_redfish(power="off", refuses=status, message=message)
    on = start_redfish(power="on", refuses=status, message=message)

    assert DRIVER.fence(off.target(), 10.0).details["power_down_code"] == f"HTTP {status}"
    assert failure(DRIVER.fence, on.target()).stage is Stage.POWER_OFF


@pytest.mark.parametrize(("status", "is_final"), [(400, False), (403, True), (500, False), (503, False)])
def test_bmc_that_shows_off_but_refuses_the_power_off_gives_no_evidence(start_redfish, status, is_final):
    bmc = start_redfish(power="off", refuses=status)

    error = failure(DRIVER.fence, bmc.target())

    assert (error.stage, error.is_final) == (Stage.POWER_OFF, is_final)


@pytest.mark.parametrize("wrong", [{"password": Secret("something-else")}, {"user": "nobody"}])
@pytest.mark.parametrize("auth", ["basic", "session"])
def test_wrong_credentials_are_final_and_tell_the_remedy(start_redfish, wrong, auth):
    bmc = start_redfish()

    error = failure(DRIVER.fence, bmc.target(auth=auth, **wrong))

    assert (error.stage, error.is_final) == (Stage.LOGIN, True)
    assert "user or password" in error.sentence
    assert "something-else" not in error.sentence
    assert "power-off" not in bmc.lines


def test_session_is_used_and_closed_where_basic_authentication_is_refused(start_redfish):
    bmc = start_redfish(has_basic=False)

    assert "auth: session" in failure(DRIVER.power_state, bmc.target()).sentence
    assert DRIVER.fence(bmc.target(auth="session"), 10.0).host == "cmp-1"
    assert bmc.lines.count("session opened") == 2
    bmc.wait_for("session closed")
    assert bmc.lines.count("session closed") == 2


def test_certificate_is_checked_and_its_refusal_is_final(start_redfish):
    bmc = start_redfish()
    (bmc.directory / "other.pem").write_bytes(issue("127.0.0.1")[1])

    for changes in ({"ca_file": "other.pem"}, {"ca_file": None}, {"address": "localhost"}):
        error = failure(DRIVER.fence, bmc.target(**changes))
        assert (error.stage, error.is_final) == (Stage.LOGIN, True), error.sentence
        assert "certificate" in error.sentence
        assert "ca_file" in error.sentence
    # Nothing was said to who could not be trusted.
    assert bmc.lines == ["ready"]


def test_unchecked_certificate_is_said_loudly(start_redfish, caplog):
    bmc = start_redfish(power="off")

    with caplog.at_level(logging.WARNING):
        evidence = DRIVER.fence(bmc.target(ca_file=None, certificate="unchecked"), 10.0)

    assert "its certificate was not checked" in evidence.statement
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "cmp-1" in record.getMessage()
    assert "CERTIFICATE" in record.getMessage()
    assert PASSWORD not in record.getMessage()


def test_system_must_be_named_when_there_are_several(start_redfish):
    bmc = start_redfish(systems=["1", "2", "3"])

    unnamed = failure(DRIVER.fence, bmc.target())
    unknown = failure(DRIVER.fence, bmc.target(system="4"))

    for error in (unnamed, unknown):
        assert (error.is_final, "3 systems: 1, 2, 3" in error.sentence, "field system" in error.sentence) == (
            True,
            True,
            True,
        )
    assert DRIVER.power_state(bmc.target(system="2"), 10.0) is PowerState.ON
    assert DRIVER.read_guid(bmc.target(system=GUID.upper()), 10.0) == GUID


@pytest.mark.parametrize("guid", [OTHER_GUID, "", "not a guid"])
def test_bmc_of_another_machine_or_of_none_switches_nothing(start_redfish, guid):
    bmc = start_redfish(guid=guid)

    for act in (DRIVER.fence, DRIVER.power_on):
        error = failure(act, bmc.target(guid=GUID))
        assert (error.stage, error.is_final) == (Stage.IDENTIFY, True)
        assert GUID in error.sentence

    assert not {"power-off", "power-on"} & set(bmc.lines)


def test_system_that_does_not_say_its_power_is_an_error(start_redfish):
    bmc = start_redfish(says_power=False)

    error = failure(DRIVER.fence, bmc.target())

    assert (error.stage, error.is_final) == (Stage.READ, False)
    assert "power-off" not in bmc.lines


@pytest.mark.parametrize(("freeze", "stage"), [("login", Stage.LOGIN), ("status", Stage.IDENTIFY)])
def test_bmc_that_freezes_is_killed_at_the_deadline_and_is_no_evidence(start_redfish, freeze, stage):
    bmc = start_redfish(freeze=freeze)
    began = time.monotonic()

    error = failure(DRIVER.power_state, bmc.target(), 3.0)

    assert time.monotonic() - began < 3.0 + 1.0
    # The first look at the system is its identity and its power in one answer, and the end of the login.
    assert (error.stage in (stage, Stage.LOGIN), error.is_final) == (True, False)
    assert operations() == []


def test_closed_port_is_told_at_once(start_redfish):
    bmc = start_redfish()
    bmc.end()
    began = time.monotonic()

    error = failure(DRIVER.fence, bmc.target(), 30.0)

    assert (error.stage, error.is_final) == (Stage.LOGIN, False)
    assert "did not answer" in error.sentence
    assert time.monotonic() - began < 15.0  # sushy alone would ask three times, 2 s apart.


def test_bmc_without_a_system_is_told(start_redfish):
    bmc = start_redfish(systems=[])

    assert "0 systems" in failure(DRIVER.power_state, bmc.target()).sentence


def test_password_is_in_no_process_arguments_or_environment(start_redfish):
    bmc = start_redfish(freeze="login")
    errors: list[FenceError] = []
    thread = threading.Thread(target=lambda: errors.append(failure(DRIVER.power_state, bmc.target(), 4.0)))
    thread.start()
    seen: dict[int, bytes] = {}
    while thread.is_alive() and len(seen) < 2:  # The operation and its session.
        running = process_texts()
        seen.update({pid: running[pid] for pid in operations() if pid in running})
        thread.join(0.02)
    thread.join()

    assert len(seen) == 2
    assert not any(PASSWORD.encode() in text for text in seen.values())
    assert len(errors) == 1
