"""The inventory: what is read, and that every refusal names file, host, field and remedy, and no secret."""

import dataclasses
import pickle
import traceback
from pathlib import Path

import pytest

from remediation.fencing.errors import InventoryError
from remediation.fencing.inventory import load_inventory
from remediation.fencing.ipmi import IpmiDriver
from remediation.fencing.redfish import RedfishDriver
from remediation.fencing.secret import Secret
from tests.support.certificates import issue

SAMPLE = Path(__file__).parents[3] / "etc/remediation/bmc.yaml.sample"
GOOD = "cmp-1: {driver: ipmi, address: 192.0.2.1, user: fence, password: hunter22}\n"


@pytest.fixture
def write(tmp_path):
    def write_file(text, *, name="bmc.yaml", mode=0o600):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        file.chmod(mode)
        return str(file)

    return write_file


def refusal(file):
    with pytest.raises(InventoryError) as caught:
        inventory = load_inventory(file)
        for host in inventory.hosts:
            inventory.targets(host)
    assert caught.value.is_final
    assert "unter22" not in "".join(traceback.format_exception(caught.value))
    assert str(file) in str(caught.value)
    return caught.value


def test_entry_becomes_a_target_whose_secret_cannot_be_printed(write):
    inventory = load_inventory(write(GOOD))

    (target,) = inventory.targets("cmp-1")

    assert (target.host, target.driver, target.options["address"]) == ("cmp-1", "ipmi", "192.0.2.1")
    secret = target.options["password"]
    assert isinstance(secret, Secret)
    assert secret.reveal() == "hunter22"
    for text in (repr(target), str(secret), f"{secret}", repr(inventory)):
        assert "hunter22" not in text
    with pytest.raises(TypeError):
        pickle.dumps(target)
    IpmiDriver().validate(target)


def test_password_file_is_read_relative_to_the_inventory(write):
    write("hunter22\nnot this line\n", name="pw")
    file = write(GOOD.replace("password: hunter22", "password_file: pw"))

    (target,) = load_inventory(file).targets("cmp-1")

    assert target.options["password"].reveal() == "hunter22"
    assert "password_file" not in target.options


def test_several_methods_keep_their_order(write):
    text = "cmp-1:\n- {driver: ipmi, address: 192.0.2.1}\n- {driver: ipmi, address: 192.0.2.2}\n"

    targets = load_inventory(write(text)).targets("cmp-1")

    assert [target.options["address"] for target in targets] == ["192.0.2.1", "192.0.2.2"]


def test_host_without_an_entry_is_named(write):
    with pytest.raises(InventoryError) as caught:
        load_inventory(write(GOOD)).targets("cmp-9")

    assert (caught.value.host, caught.value.stage) == ("cmp-9", "configure")
    assert "Add an entry for cmp-9" in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o601])
def test_file_that_others_may_use_is_refused(write, mode):
    error = refusal(write(GOOD, mode=mode))

    assert f"mode {mode:04o}" in error.problem
    assert "chmod 600" in error.remedy


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_password_file_that_others_may_use_is_refused(write, mode):
    write("hunter22\n", name="pw", mode=mode)

    error = refusal(write(GOOD.replace("password: hunter22", "password_file: pw")))

    assert (error.host, error.field) == ("cmp-1", "password_file")


@pytest.mark.parametrize(
    ("text", "host", "field", "words"),
    [
        ("", "", "", "holds no hosts"),
        ("[cmp-1]", "", "", "holds no hosts"),
        ("cmp-1: {password: hunter22\n", "", "", "not YAML"),
        (b"\xff\xfe\x00hunter22", "", "", "not YAML"),
        ("cmp-1: !!python/object:os.system {password: hunter22}", "", "", "not YAML"),
        (GOOD + GOOD, "", "", "twice in line 2"),
        ("cmp-1: {driver: ipmi, user: a, user: b}", "", "", "twice"),
        ("cmp-1:\n  password: !hunter22", "", "", "is not YAML in line 2"),
        ("cmp-1:\n  password: !!hunter22 x", "", "", "is not YAML in line 2"),
        ("cmp-1:\n  password: *hunter22", "", "", "is not YAML in line 2"),
        ("cmp-1:\n  password: %hunter22", "", "", "is not YAML in line 2"),
        ('cmp-1:\n  password: "\\hunter22"', "", "", "is not YAML in line 2"),
        ("cmp-1:\n  password: 2024-99-99", "", "", "is not YAML in line 2"),
        ("cmp-1: {driver: ipmi, password:hunter22}", "cmp-1", "", "not one word"),
        ("[" * 5000, "", "", "not YAML"),
        ("12: {driver: ipmi}", "12", "", "not text"),
        ("'bad name': {driver: ipmi}", "bad name", "", "host name"),
        ("cmp-1: ipmi", "cmp-1", "", "mapping"),
        ("cmp-1: []", "cmp-1", "", "0 methods"),
        ("cmp-1: {address: 192.0.2.1}", "cmp-1", "driver", "missing"),
        ("cmp-1: {driver: ipmi, password: 12345678}", "cmp-1", "password", "not text"),
        ("cmp-1: {driver: ipmi, port: [623]}", "cmp-1", "port", "neither text nor a number"),
        ("cmp-1: {driver: ipmi, 5: x}", "cmp-1", "", "name is not text"),
        ("cmp-1: {driver: ipmi, password: hunter22, password_file: x}", "cmp-1", "password_file", ""),
        ("cmp-1: {driver: ipmi, password_file: nowhere}", "cmp-1", "password_file", "cannot read"),
    ],
)
def test_bad_file_is_refused_at_its_place(write, text, host, field, words):
    error = refusal(write(text))

    assert (error.host, error.field) == (host, field)
    assert words in error.problem
    assert error.remedy


def test_fault_of_one_host_is_raised_for_that_host_only(write):
    bad = "cmp-2: {driver: ipmi, address: 192.0.2.2, user: fence, password_file: nowhere}\n"
    inventory = load_inventory(write(bad + "7: ipmi\n" + GOOD))

    assert [target.host for target in inventory.targets("cmp-1")] == ["cmp-1"]
    assert inventory.hosts == ("cmp-1", "cmp-2", "7")
    for host in ("cmp-2", "7"):
        with pytest.raises(InventoryError) as caught:
            inventory.targets(host)
        assert caught.value.host == host


def test_claims_are_read_from_entries_with_a_fault_and_hold_no_secret(write):
    text = "cmp-2: {driver: ipmi, address: 192.0.2.2, user: [], password: hunter22}\n"

    (claim,) = load_inventory(write(text)).claims

    assert (claim.host, claim.driver, dict(claim.options)) == ("cmp-2", "ipmi", {"address": "192.0.2.2"})


def test_missing_file_is_refused(tmp_path):
    assert "cannot read" in refusal(str(tmp_path / "none.yaml")).problem


def test_directory_is_refused(tmp_path):
    tmp_path.chmod(0o700)
    assert "not a regular file" in refusal(str(tmp_path)).problem


def test_empty_password_file_is_refused(write):
    write("\nhunter22\n", name="pw")

    assert "first line" in refusal(write(GOOD.replace("password: hunter22", "password_file: pw"))).problem


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"address": None}, "address"),
        ({"address": "not an address"}, "address"),
        ({"address": 5}, "address"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": "623"}, "port"),
        ({"user": None}, "user"),
        ({"user": "u" * 17}, "user"),
        ({"password": None}, "password"),
        ({"password": Secret("")}, "password"),
        ({"password": Secret("ü" * 11)}, "password"),
        ({"confirm_interval": 0}, "confirm_interval"),
        ({"confirm_interval": "1"}, "confirm_interval"),
        ({"confirm_interval": float("nan")}, "confirm_interval"),
        ({"adress": "192.0.2.1"}, "adress"),
    ],
)
def test_ipmi_driver_refuses_fields_that_cannot_be_right(write, change, field):
    (good,) = load_inventory(write(GOOD)).targets("cmp-1")
    options = {name: value for name, value in {**good.options, **change}.items() if value is not None}
    target = type(good)(good.host, good.driver, options, good.file)

    with pytest.raises(InventoryError) as caught:
        IpmiDriver().validate(target)

    assert (caught.value.file, caught.value.host, caught.value.field) == (good.file, "cmp-1", field)


def test_shipped_sample_is_accepted(write):
    write("a-password\n", name="bmc-password")
    write(issue("bmc.example.org")[1], name="bmc-ca.pem")
    text = SAMPLE.read_text().replace("/etc/ceilo-gossip/", "")

    inventory = load_inventory(write(text))

    drivers = {"ipmi": IpmiDriver(), "redfish": RedfishDriver()}
    assert inventory.hosts == ("compute-1", "compute-2", "compute-3")
    for host in inventory.hosts:
        for target in inventory.targets(host):
            drivers[target.driver].validate(target)
    for driver in drivers.values():
        for field in driver.get_properties():
            assert field in text


REDFISH = "cmp-1: {driver: redfish, address: 192.0.2.1, user: fence, password: hunter22}\n"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user", "a:b"),
        ("system", ""),
        ("system", 1),
        ("system", "a/b"),
        ("certificate", "no"),
        ("auth", "digest"),
        ("ca_file", "missing.pem"),
        ("ca_file", "no-certificates.pem"),
        ("guid", "compute-1"),
        ("guid", "00000000-0000-0000-0000-000000000000"),
        ("guid", 12),
        ("verify", "no"),
    ],
)
def test_redfish_field_that_cannot_be_right_is_refused(write, field, value):
    write("nothing\n", name="no-certificates.pem")
    (good,) = load_inventory(write(REDFISH)).targets("cmp-1")
    RedfishDriver().validate(good)

    with pytest.raises(InventoryError) as caught:
        RedfishDriver().validate(dataclasses.replace(good, options={**good.options, field: value}))

    assert (caught.value.file, caught.value.host, caught.value.field) == (good.file, "cmp-1", field)


def test_certificate_authority_of_an_unchecked_certificate_is_refused(write):
    write(issue("bmc.example.org")[1], name="bmc-ca.pem")
    text = REDFISH.replace("}", ", ca_file: bmc-ca.pem, certificate: unchecked}")
    (target,) = load_inventory(write(text)).targets("cmp-1")

    with pytest.raises(InventoryError) as caught:
        RedfishDriver().validate(target)

    assert caught.value.field == "ca_file"


def test_systems_of_one_bmc_are_devices_of_their_own(write):
    one, other = (
        load_inventory(write(REDFISH.replace("}", f", system: {name}}}"))).targets("cmp-1")[0] for name in ("a", "b")
    )

    assert RedfishDriver().device(one) != RedfishDriver().device(other)
