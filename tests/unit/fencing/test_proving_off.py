"""What it takes to call a host off, on scripted readings and virtual time."""

import pytest

from remediation.fencing.bmc_operation import MAX_ROUNDS, prove_off, switch_on
from remediation.fencing.bmc_session import BmcLogin, SessionError, Task
from remediation.fencing.ipmi_bmc import refusal


class Script:
    """Sessions that answer from a list, on a clock that only sleeping and sessions move."""

    def __init__(self, *answers: object, session_seconds: float = 0.1) -> None:
        self.answers = list(answers)
        self.asked: list[Task] = []
        self.limits: list[float] = []
        self.now = 100.0
        self.session_seconds = session_seconds

    def open_session(self, task: Task, seconds: float) -> dict[str, object]:
        self.asked.append(task)
        self.limits.append(seconds)
        answer = self.answers.pop(0)
        if isinstance(answer, SessionError):
            self.now += seconds if answer.kind == "killed" else self.session_seconds
            raise answer
        self.now += self.session_seconds
        return {"was": answer, "state": answer, "code": "00h", "guid": GUID} if isinstance(answer, str) else answer

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def prove(self, seconds: float = 10.0) -> dict[str, object]:
        return prove_off(self.open_session, interval=1.2, seconds=seconds, clock=lambda: self.now, sleep=self.sleep)


GUID = "30313233-3435-3637-3839-414243444546"
OTHER_GUID = "30313233-3435-3637-3839-414243444547"
SWITCHED_OFF = {"was": "on", "state": "off", "code": "00h", "guid": GUID}
KILLED = SessionError("", "killed", "session ended")


def test_off_takes_two_sessions_with_the_interval_between():
    script = Script(SWITCHED_OFF, "off")

    assert script.prove() == {
        "state": "off",
        "was": "on",
        "rounds": 1,
        "interval": 1.2,
        "code": "00h",
        "guid": GUID,
    }
    assert script.asked == [Task.POWER_OFF, Task.READ]
    assert script.now == pytest.approx(100.0 + 0.1 + 1.2 + 0.1)


def test_off_already_is_proved_the_same_way():
    assert Script("off", "off").prove()["was"] == "off"


def test_second_reading_that_says_on_starts_over_and_unmasks_the_first():
    script = Script("off", "on", "off", "off")

    answer = script.prove()

    assert (answer["was"], answer["rounds"]) == ("on", 2)
    assert script.asked == [Task.POWER_OFF, Task.READ] * 2


def test_bmc_that_contradicts_itself_for_ever_proves_nothing():
    script = Script(*["off", "on"] * MAX_ROUNDS)

    with pytest.raises(SessionError) as caught:
        script.prove(seconds=1000.0)

    assert caught.value.stage == "confirm"
    assert script.answers == []


def test_one_off_at_the_end_of_the_time_proves_nothing():
    script = Script(SWITCHED_OFF, "off", session_seconds=1.0)

    with pytest.raises(SessionError):
        script.prove(seconds=2.0)

    assert script.asked == [Task.POWER_OFF]


def test_frozen_session_is_tried_once_more_with_the_time_left():
    script = Script(KILLED, SWITCHED_OFF, "off")

    assert script.prove(seconds=10.0)["state"] == "off"
    assert script.limits[:2] == [5.0, 5.0]


@pytest.mark.parametrize("failure", [KILLED, SessionError("login", "IpmiException", "Incorrect password provided")])
def test_no_answer_to_the_second_reading_proves_nothing(failure):
    script = Script(SWITCHED_OFF, failure, failure)

    with pytest.raises(SessionError):
        script.prove()


@pytest.mark.parametrize("was", ["on", "off"])
@pytest.mark.parametrize("code", [0x80, 0xC0, 0xC1, 0xD4, 0xD6, 0xFF, 0xFFFF])
def test_refused_power_down_is_no_evidence_whatever_the_bmc_shows(code, was):
    assert f"{code:02x}h" in refusal({"code": code}, is_so_already=was == "off")
    assert "Node Busy" in refusal({"code": code, "error": "Node Busy"}, is_so_already=was == "off")


def test_power_down_of_a_host_that_is_off_may_be_out_of_place():
    assert refusal({"code": 0xD5, "error": "Command not supported in present state"}, is_so_already=True) == ""
    assert refusal({"code": 0xD5, "error": "Command not supported in present state"}, is_so_already=False) != ""


def test_error_without_a_code_is_a_refusal():
    assert refusal({"error": "timeout"}, is_so_already=True) != ""
    assert refusal({"code": 0}, is_so_already=True) == ""


def test_refused_power_down_ends_the_proof():
    script = Script(SessionError("power-off", "IpmiException", "Node Busy"), "off", "off")

    with pytest.raises(SessionError):
        script.prove()

    assert script.asked == [Task.POWER_OFF]


def test_two_readings_of_two_machines_prove_nothing():
    # Given an address that another BMC took over between the two sessions.
    script = Script(SWITCHED_OFF, {"was": "off", "state": "off", "guid": OTHER_GUID})

    with pytest.raises(SessionError) as caught:
        script.prove()

    assert (caught.value.stage, caught.value.kind) == ("identify", "changed-guid")


def test_bmc_that_tells_its_machine_only_once_is_believed():
    assert Script({**SWITCHED_OFF, "guid": ""}, "off").prove()["guid"] == GUID


def test_host_is_on_when_its_bmc_says_so():
    script = Script({"was": "off", "state": "on", "code": "00h", "guid": GUID})

    assert switch_on(script.open_session, seconds=5.0, clock=lambda: script.now)["was"] == "off"
    assert script.asked == [Task.POWER_ON]


def test_host_that_does_not_come_on_is_an_error():
    script = Script({"was": "off", "state": "off", "code": "00h", "guid": GUID})

    with pytest.raises(SessionError) as caught:
        switch_on(script.open_session, seconds=5.0, clock=lambda: script.now)

    assert caught.value.stage == "confirm"


def test_login_tells_no_secret():
    login = BmcLogin("192.0.2.1", 623, "admin", "pässword")

    assert "pässword" not in repr(login)
    assert login.redact("Authorization: Basic YWRtaW46cMOkc3N3b3Jk") == "Authorization: Basic <secret>"
    assert login.redact("bad pässword\n or b'p\\xc3\\xa4ssword'") == "bad <secret> or b'<secret>'"
