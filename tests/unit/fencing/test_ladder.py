"""The ladder: in order, until evidence, within its deadline, and every reason told."""

import configparser
import importlib
from pathlib import Path

import pytest

from remediation.fencing.driver import FenceTarget, PowerState
from remediation.fencing.errors import FenceError, FenceFailed, InventoryError
from remediation.fencing.evidence import Evidence
from remediation.fencing.fake import FakeDriver, no_answer, wrong_password
from remediation.fencing.inventory import Inventory
from remediation.fencing.ipmi import IpmiDriver
from remediation.fencing.ladder import Ladder, Validation, load_ladder
from remediation.fencing.secret import Secret

SETUP = Path(__file__).parents[3] / "setup.cfg"


class Clock:
    def __init__(self):
        self.now = 50.0

    def __call__(self):
        return self.now


class SlowDriver(FakeDriver):
    """A driver that uses up all it is given and then has no answer."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.given = []

    def fence(self, target, deadline_seconds):
        self.given.append(deadline_seconds)
        self.clock.now += deadline_seconds
        raise no_answer(target.host)


def inventory_of(*drivers, host="cmp-1"):
    return Inventory("bmc.yaml", {host: tuple(FenceTarget(host, driver, {}) for driver in drivers)})


def ladder_of(drivers, *, order=None, inventory=None, clock=None):
    names = list(drivers)
    read = inventory if inventory is not None else inventory_of(*names)
    return Ladder(drivers=drivers, order=order or names, read_inventory=lambda: read, clock=clock or Clock())


def test_first_method_that_gives_evidence_ends_the_ladder():
    first, second = FakeDriver(), FakeDriver()

    evidence = ladder_of({"first": first, "second": second}).fence("cmp-1", 10.0)

    assert evidence.host == "cmp-1"
    assert first.power["cmp-1"] is PowerState.OFF
    assert second.calls == []


def test_next_method_is_tried_when_one_has_no_answer():
    first, second = FakeDriver(), FakeDriver()
    first.faults["cmp-1"] = [no_answer("cmp-1")]

    ladder_of({"first": first, "second": second}).fence("cmp-1", 10.0)

    assert [verb for verb, _ in second.calls] == ["fence"]


def test_order_is_that_of_the_configuration_and_not_of_the_inventory():
    first, second = FakeDriver(), FakeDriver()

    ladder_of({"first": first, "second": second}, order=["second", "first"]).fence("cmp-1", 10.0)

    assert first.calls == []
    assert [verb for verb, _ in second.calls] == ["fence"]


def test_all_reasons_are_told_when_no_method_gave_evidence():
    first, second = FakeDriver(), FakeDriver()
    first.faults["cmp-1"] = [wrong_password("cmp-1")]
    second.faults["cmp-1"] = [no_answer("cmp-1")]

    with pytest.raises(FenceFailed) as caught:
        ladder_of({"first": first, "second": second}).fence("cmp-1", 10.0)

    assert [method for method, _ in caught.value.reasons] == ["first", "second"]
    assert "refused the password" in str(caught.value)
    assert "did not answer" in str(caught.value)
    assert not caught.value.is_final  # One of them may answer later.


def test_failure_is_final_when_every_reason_is():
    driver = FakeDriver()
    driver.faults["cmp-1"] = [wrong_password("cmp-1")]

    with pytest.raises(FenceFailed) as caught:
        ladder_of({"fake": driver}).fence("cmp-1", 10.0)

    assert caught.value.is_final


def test_silent_method_leaves_the_next_its_share_of_the_time():
    clock = Clock()
    slow, quick = SlowDriver(clock), FakeDriver()

    ladder_of({"slow": slow, "quick": quick}, clock=clock).fence("cmp-1", 10.0)

    assert slow.given == [5.0]


def test_method_without_time_left_is_not_started():
    driver = FakeDriver()

    with pytest.raises(FenceFailed) as caught:
        ladder_of({"fake": driver}).fence("cmp-1", 0.5)

    assert "too little to try" in str(caught.value)
    assert not caught.value.is_final
    assert driver.calls == []


def test_corrected_inventory_is_used_without_a_restart():
    inventories = [inventory_of("fake", host="cmp-9"), inventory_of("fake")]
    ladder = Ladder(drivers={"fake": FakeDriver()}, order=["fake"], read_inventory=lambda: inventories.pop(0))

    with pytest.raises(InventoryError):
        ladder.fence("cmp-1", 10.0)

    assert ladder.fence("cmp-1", 10.0).host == "cmp-1"


def test_method_that_is_not_in_the_ladder_is_refused_at_validation():
    found = ladder_of({"fake": FakeDriver()}, inventory=inventory_of("magic")).validate()

    assert found.hosts == ()
    assert [(fault.host, fault.field) for fault in found.faults] == [("cmp-1", "driver")]


def test_validation_tells_which_hosts_can_be_fenced():
    assert ladder_of({"fake": FakeDriver()}).validate() == Validation(("cmp-1",), ())


def test_validation_tells_all_faults_and_the_hosts_that_have_none():
    faults = {host: InventoryError("x", file="f", host=host, remedy="y") for host in ("cmp-2", "cmp-3")}
    inventory = Inventory("f", {"cmp-1": (FenceTarget("cmp-1", "fake", {}),)}, faults)
    ladder = ladder_of({"fake": FakeDriver()}, inventory=inventory)

    assert ladder.validate() == Validation(("cmp-1",), tuple(faults.values()))
    assert ladder.fence("cmp-1", 10.0).host == "cmp-1"
    with pytest.raises(InventoryError):
        ladder.fence("cmp-2", 10.0)


def bmc(host, driver="ipmi", **options):
    options = {"address": "192.0.2.1", "user": "u", "password": Secret("p"), **options}
    return FenceTarget(host, driver, options)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}),
        ({}, {"port": 623}),
        ({"address": "BMC.example."}, {"address": "bmc.example"}),
        ({"address": "2001:db8::1"}, {"address": "2001:DB8:0::1"}),
    ],
)
def test_two_hosts_with_one_bmc_are_both_refused(one, other):
    targets = {"cmp-1": (bmc("cmp-1", **one),), "cmp-2": (bmc("cmp-2", **other),)}
    targets["cmp-3"] = (bmc("cmp-3", address="192.0.2.3"), bmc("cmp-3", address="192.0.2.3"))
    ladder = ladder_of({"ipmi": IpmiDriver()}, inventory=Inventory("bmc.yaml", targets))

    found = ladder.validate()

    assert found.hosts == ("cmp-3",)
    assert [fault.host for fault in found.faults] == ["cmp-1", "cmp-2"]
    for host in ("cmp-1", "cmp-2"):
        for act in (ladder.fence, ladder.power_state):
            with pytest.raises(InventoryError, match=r"cmp-1.*cmp-2|cmp-2.*cmp-1"):
                act(host, 10.0)


def test_same_address_with_another_port_is_another_bmc():
    targets = {"cmp-1": (bmc("cmp-1"),), "cmp-2": (bmc("cmp-2", port=624),)}
    ladder = ladder_of({"ipmi": IpmiDriver()}, inventory=Inventory("bmc.yaml", targets))

    assert ladder.validate().hosts == ("cmp-1", "cmp-2")


def test_bmc_that_an_entry_with_a_fault_claims_too_is_refused():
    fault = InventoryError("x", file="f", host="cmp-2", remedy="y")
    inventory = Inventory("f", {"cmp-1": (bmc("cmp-1"),)}, {"cmp-2": fault}, [bmc("cmp-1"), bmc("cmp-2")])

    with pytest.raises(InventoryError, match="cmp-2"):
        ladder_of({"ipmi": IpmiDriver()}, inventory=inventory).fence("cmp-1", 10.0)


def test_driver_that_is_not_installed_is_named():
    with pytest.raises(FenceError) as caught:
        load_ladder("bmc.yaml", ["no-such-driver"])

    assert "no-such-driver (not installed)" in str(caught.value)
    assert caught.value.is_final


def test_entry_points_of_the_package_are_drivers_and_no_fake_is_among_them():
    setup = configparser.ConfigParser()
    setup.read(SETUP)
    lines = setup["entry_points"]["remediation.fencing"].split("\n")
    points = dict(line.split(" = ") for line in lines if line)

    assert "ipmi" in points
    assert not any("fake" in value for value in points.values())
    for value in points.values():
        module, name = value.split(":")
        assert callable(getattr(importlib.import_module(module), name)().fence)


def test_evidence_survives_storage():
    evidence = FakeDriver().fence(FenceTarget("cmp-1", "fake", {}), 5.0)

    assert Evidence.from_json(evidence.to_json()) == evidence


@pytest.mark.parametrize(
    "change", [{"host": ""}, {"method": ""}, {"statement": ""}, {"observed_at": "2026-01-01T00:00:00"}]
)
def test_evidence_without_substance_cannot_exist(change):
    fields = {"host": "a", "method": "m", "statement": "s", "observed_at": "2026-01-01T00:00:00+00:00", **change}

    with pytest.raises(ValueError):
        Evidence(**fields)
