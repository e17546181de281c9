"""The IPMI driver against pyghmi's own BMC over UDP, with the faults that BMCs have."""

import dataclasses
import datetime
import threading
import time

import pytest

from remediation.fencing.driver import PowerState
from remediation.fencing.errors import FenceError, Stage
from remediation.fencing.ipmi import IpmiDriver
from remediation.fencing.secret import Secret
from tests.unit.fencing.conftest import PASSWORD, operations, process_texts

DRIVER = IpmiDriver()
GUID, OTHER_GUID = "00000000-0000-0000-0000-000000000001", "4c4c4544-0042-3510-8052-b4c04f564432"


def test_host_that_is_on_is_switched_off_and_read_off_twice(start_bmc):
    bmc = start_bmc(power="on")

    evidence = DRIVER.fence(bmc.target(), 8.0)

    assert (evidence.host, evidence.method, evidence.details["was"]) == ("cmp-1", "ipmi", "on")
    assert "in two sessions, 0.3 s apart" in evidence.statement
    assert datetime.datetime.fromisoformat(evidence.observed_at).tzinfo is not None
    assert DRIVER.power_state(bmc.target(), 5.0) is PowerState.OFF
    assert "power-off" in bmc.lines
    assert bmc.lines[bmc.lines.index("power-off") :].count("read off") >= 2


def test_host_that_is_off_already_is_proved_off_quickly(start_bmc):
    bmc = start_bmc(power="off")
    started = time.monotonic()

    evidence = DRIVER.fence(bmc.target(), 8.0)

    assert evidence.details["was"] == "off"
    assert "was off already" in evidence.statement
    # 0.2 s on a quiet machine, and the interval of 0.3 s; the rest is for a loaded one.
    assert time.monotonic() - started < 0.3 + 2.0


def test_the_two_readings_are_in_different_sessions(start_bmc):
    bmc = start_bmc(power="off")

    DRIVER.fence(bmc.target(), 8.0)

    readings = [index for index, line in enumerate(bmc.lines) if line == "read off"]
    assert "login" in bmc.lines[readings[0] : readings[-1]]


def test_bmc_that_says_off_and_then_on_gives_no_evidence_until_the_host_is_off(start_bmc):
    # Given a BMC that shows for one reading what was asked of it, while the host runs on.
    bmc = start_bmc(power="on", lies=1)

    evidence = DRIVER.fence(bmc.target(), 10.0)

    assert evidence.details == {**evidence.details, "was": "on", "rounds": "2"}
    assert bmc.lines.count("power-off") == 2


def test_bmc_that_never_switches_off_gives_no_evidence(start_bmc):
    bmc = start_bmc(power="on", stubborn=1000)

    with pytest.raises(FenceError) as caught:
        DRIVER.fence(bmc.target(), 2.5)

    assert (caught.value.stage, caught.value.is_final) == (Stage.CONFIRM, False)


@pytest.mark.parametrize(
    ("code", "is_final"), [(0xC0, False), (0xD4, True), (0xFF, False)], ids=["busy", "privilege", "unspecified"]
)
def test_bmc_that_shows_off_but_refuses_the_power_down_gives_no_evidence(start_bmc, code, is_final):
    bmc = start_bmc(power="off", refuses=code)

    with pytest.raises(FenceError) as caught:
        DRIVER.fence(bmc.target(), 8.0)

    assert (caught.value.stage, caught.value.is_final) == (Stage.POWER_OFF, is_final)


def test_host_that_is_off_may_have_no_power_down_in_that_state(start_bmc):
    bmc = start_bmc(power="off", refuses=0xD5)

    assert DRIVER.fence(bmc.target(), 8.0).details["power_down_code"] == "d5h"


def test_slow_power_off_is_waited_for(start_bmc):
    bmc = start_bmc(power="on", slow_off=1.0)

    assert DRIVER.fence(bmc.target(), 8.0).details["was"] == "on"


def test_wrong_password_is_final_and_tells_the_remedy(start_bmc):
    bmc = start_bmc()

    with pytest.raises(FenceError) as caught:
        DRIVER.fence(bmc.target(password=Secret("something-else")), 8.0)

    assert (caught.value.stage, caught.value.is_final, caught.value.host) == (Stage.LOGIN, True, "cmp-1")
    assert "refused the password" in caught.value.sentence
    assert "something-else" not in str(caught.value)
    assert "power-off" not in bmc.lines


def test_black_hole_is_killed_at_the_deadline_and_is_no_evidence(start_bmc, black_hole):
    bmc = start_bmc()
    started = time.monotonic()

    with pytest.raises(FenceError) as caught:
        DRIVER.fence(bmc.target(port=black_hole), 1.5)

    assert time.monotonic() - started < 1.5 + 1.0
    assert (caught.value.stage, caught.value.is_final) == (Stage.LOGIN, False)
    assert operations() == []


@pytest.mark.parametrize(("freeze", "stage"), [("login", Stage.LOGIN), ("status", Stage.READ)])
def test_bmc_that_freezes_is_killed_at_the_deadline_and_is_no_evidence(start_bmc, freeze, stage):
    bmc = start_bmc(freeze=freeze)
    started = time.monotonic()

    with pytest.raises(FenceError) as caught:
        DRIVER.power_state(bmc.target(), 1.2)

    assert time.monotonic() - started < 1.2 + 1.0
    assert (caught.value.stage, caught.value.is_final) == (stage, False)
    assert operations() == []


def test_system_guid_is_told_and_compared(start_bmc):
    bmc = start_bmc(power="on")

    assert DRIVER.read_guid(bmc.target(), 5.0) == GUID
    evidence = DRIVER.fence(bmc.target(guid=GUID.upper()), 8.0)

    assert (evidence.details["guid"], evidence.details["identity"]) == (GUID, "as in the inventory")


def test_device_guid_stands_in_for_a_system_guid_that_is_not_told(start_bmc):
    bmc = start_bmc(guid_command=0x08)

    assert DRIVER.read_guid(bmc.target(), 5.0) == GUID


def test_bmc_without_a_guid_is_used_unless_one_is_expected(start_bmc):
    bmc = start_bmc(power="off", guid_command=0)

    assert DRIVER.read_guid(bmc.target(), 5.0) == ""
    assert DRIVER.fence(bmc.target(), 8.0).details["guid"] == "not told"
    with pytest.raises(FenceError) as caught:
        DRIVER.fence(bmc.target(guid=GUID), 8.0)

    assert (caught.value.stage, caught.value.is_final) == (Stage.IDENTIFY, True)
    assert "guid: unchecked" in caught.value.sentence


@pytest.mark.parametrize("is_learned", [False, True], ids=["inventory", "learned"])
def test_bmc_of_another_machine_is_named_and_nothing_is_switched(start_bmc, is_learned):
    bmc = start_bmc(power="on")
    target = bmc.target() if is_learned else bmc.target(guid=OTHER_GUID)
    target = dataclasses.replace(target, learned_guid=OTHER_GUID if is_learned else "")

    for act in (DRIVER.fence, DRIVER.power_on, DRIVER.power_state):
        with pytest.raises(FenceError) as caught:
            act(target, 8.0)
        assert (caught.value.stage, caught.value.is_final) == (Stage.IDENTIFY, True)
        for words in (GUID, OTHER_GUID, "correct the address", f"guid: {GUID}"):
            assert words in caught.value.sentence

    assert not {"power-off", "power-on", "read on"} & set(bmc.lines)


def test_host_is_switched_on_and_read_on(start_bmc):
    bmc = start_bmc(power="off")

    DRIVER.power_on(bmc.target(), 8.0)
    DRIVER.power_on(bmc.target(), 8.0)  # On already is no error.

    assert bmc.lines.count("power-on") == 2
    assert DRIVER.power_state(bmc.target(), 5.0) is PowerState.ON


def test_name_that_does_not_resolve_is_named_as_such(start_bmc):
    bmc = start_bmc()

    with pytest.raises(FenceError) as caught:
        DRIVER.power_state(bmc.target(address="bmc.invalid"), 5.0)

    assert (caught.value.stage, caught.value.is_final) == (Stage.RESOLVE, False)


def test_password_is_in_no_process_arguments_or_environment(start_bmc, black_hole):
    # Given an operation that hangs, so that it can be looked at.
    bmc = start_bmc()
    errors: list[FenceError] = []

    def operate() -> None:
        try:
            DRIVER.power_state(bmc.target(port=black_hole), 2.0)
        except FenceError as error:
            errors.append(error)

    thread = threading.Thread(target=operate)
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
    assert PASSWORD not in repr(errors[0]) + str(errors[0])
