"""What every fencing driver keeps, run on the fake and on the real one."""

import dataclasses
import datetime
from collections.abc import Callable

import pytest

from remediation.fencing.driver import FenceDriver, FenceTarget, PowerState
from remediation.fencing.errors import FenceError
from remediation.fencing.fake import FakeDriver, no_answer
from remediation.fencing.ipmi import IpmiDriver
from remediation.fencing.redfish import RedfishDriver
from tests.unit.fencing.conftest import BmcProcess, RedfishProcess


@dataclasses.dataclass
class Bench:
    """A driver and one host that is on, one that is off, and one whose means of fencing are silent."""

    driver: FenceDriver
    on: FenceTarget
    off: FenceTarget
    silent: FenceTarget


def fake_bench(start: Callable[..., BmcProcess], black_hole: int) -> Bench:
    driver = FakeDriver(off=["cmp-2"])
    driver.faults["cmp-3"] = [no_answer("cmp-3")]
    on, off, silent = (FenceTarget(host, "fake", {}) for host in ("cmp-1", "cmp-2", "cmp-3"))
    return Bench(driver, on, off, silent)


def ipmi_bench(start: Callable[..., BmcProcess], black_hole: int) -> Bench:
    on, off = start(BmcProcess, power="on"), start(BmcProcess, power="off")
    return Bench(IpmiDriver(), on.target("cmp-1"), off.target("cmp-2"), on.target("cmp-3", port=black_hole))


def redfish_bench(start: Callable[..., BmcProcess], black_hole: int) -> Bench:
    on, off, silent = (start(RedfishProcess, **faults) for faults in ({}, {"power": "off"}, {"freeze": "login"}))
    return Bench(RedfishDriver(), on.target("cmp-1"), off.target("cmp-2"), silent.target("cmp-3"))


@pytest.fixture(params=[fake_bench, ipmi_bench, redfish_bench], ids=["fake", "ipmi", "redfish"])
def bench(request: pytest.FixtureRequest, start: Callable[..., BmcProcess], black_hole: int) -> Bench:
    made: Bench = request.param(start, black_hole)
    return made


def test_targets_are_accepted_and_properties_are_explained(bench):
    for target in (bench.on, bench.off, bench.silent):
        bench.driver.validate(target)
    assert all(text for text in bench.driver.get_properties().values())


def test_fencing_turns_on_into_off_and_gives_evidence_about_that_host(bench):
    assert bench.driver.power_state(bench.on, 5.0) is PowerState.ON

    evidence = bench.driver.fence(bench.on, 8.0)

    assert (evidence.host, evidence.method) == (bench.on.host, bench.on.driver)
    assert datetime.datetime.fromisoformat(evidence.observed_at).utcoffset() == datetime.timedelta()
    assert bench.driver.power_state(bench.on, 5.0) is PowerState.OFF


def test_host_that_is_off_gives_evidence_and_stays_off(bench):
    assert bench.driver.fence(bench.off, 8.0).host == bench.off.host
    assert bench.driver.power_state(bench.off, 5.0) is PowerState.OFF


def test_host_that_was_fenced_is_switched_on_again(bench):
    bench.driver.power_on(bench.off, 8.0)

    assert bench.driver.power_state(bench.off, 5.0) is PowerState.ON
    bench.driver.power_on(bench.off, 8.0)  # May be repeated.


def test_silence_is_an_error_that_may_pass_and_never_evidence(bench):
    with pytest.raises(FenceError) as caught:
        bench.driver.fence(bench.silent, 1.2)

    assert caught.value.host == bench.silent.host
    assert not caught.value.is_final


def test_device_is_told_of_any_target(bench):
    assert bench.driver.device(dataclasses.replace(bench.on, options={})) == ""
    assert bench.driver.device(bench.on) == bench.driver.device(dataclasses.replace(bench.on, host="cmp-9"))
