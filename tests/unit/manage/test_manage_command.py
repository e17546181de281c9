"""remediation-manage as an operator uses it: what it prints, where, and its exit codes."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from remediation.cmd import incident_commands, manage
from remediation.incident.call import Call
from remediation.incident.timeline import Entry, Stage
from remediation.store import migrate
from remediation.store.store import Store
from tests.support.calls import NOON, make_verdict
from tests.support.matrices import SHIPPED
from tests.unit.fencing.conftest import PASSWORD, USER, BmcProcess


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Undo what oslo.log does to the process's log, whose streams end with the test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Operator:
    """Runs the command with a configuration of its own; `out` and `err` hold what it printed last."""

    def __init__(self, directory: Path, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        self.url = f"sqlite:///{directory}/incidents.sqlite"
        self._file = directory / "remediation.conf"
        self._file.write_text(f"[database]\nconnection = {self.url}\n[matrix]\nfile = {SHIPPED}\n")
        self.out = self.err = ""

    def write_inventory(self, text: str) -> None:
        inventory = self._file.with_name("bmc.yaml")
        inventory.write_text(text)
        inventory.chmod(0o600)
        with self._file.open("a") as file:
            file.write(f"[fencing]\ninventory_file = {inventory}\n")

    def run(self, *arguments: str) -> int:
        code = manage.main(["--config-file", str(self._file), *arguments])
        self.out, self.err = self._capture.readouterr()
        return code


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operator:
    for name in ("OS_AUTH_URL", "OS_AUTH_TYPE"):
        monkeypatch.delenv(name, raising=False)
    return Operator(tmp_path, capsys)


@pytest.fixture
def incident_id(operator: Operator) -> str:
    migrate.upgrade(operator.url)
    call = Call(
        call_id="c-1",
        alarm_id="a-1",
        alarm_name="ceilo-gossip/storage-lost",
        row="storage-lost",
        verdict=make_verdict(),
        event_generated="2026-01-31T12:00:00.250000+00:00",
        received_at="2026-01-31T12:00:01+00:00",
        message_id="m-1",
    )
    return Store.open(operator.url).record_call(call).incident_id


def test_shipped_matrix_passes_lint(operator: Operator) -> None:
    assert operator.run("matrix", "lint") == 0
    assert "8 rows, each combination once; the compiled alarms say the same as the table" in operator.out


def test_lint_names_file_line_and_remedy_and_fails(operator: Operator, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(SHIPPED.read_text().replace("action: drain", "action: explode"))
    assert operator.run("matrix", "lint", str(bad)) == 2
    assert f"{bad}:" in operator.err
    assert "unknown action 'explode'; write one of none, alert" in operator.err


def test_unsound_matrix_fails_lint(operator: Operator, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(SHIPPED.read_text().replace("action: disable", "action: evacuate"))
    assert operator.run("matrix", "lint", str(bad)) == 2
    assert "row management-lost: evacuate stops instances that still run" in operator.err


def test_warnings_do_not_fail_lint(operator: Operator, tmp_path: Path) -> None:
    hasty = tmp_path / "hasty.yaml"
    hasty.write_text(SHIPPED.read_text().replace("settle: 30", "settle: 5"))
    assert operator.run("matrix", "lint", str(hasty)) == 0
    assert "warning: " in operator.err


def test_matrix_is_shown_whole(operator: Operator) -> None:
    assert operator.run("matrix", "show") == 0
    for word in ("management-and-storage-lost", "evacuate-on-proof", "30 s", "The disks are gone"):
        assert word in operator.out


@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_plan_without_the_webhooks_address_is_refused(operator: Operator, verb: str) -> None:
    assert operator.run("matrix", verb) == 2
    assert operator.err.startswith("remediation-manage: [webhook] public_url: is missing")


def test_incidents_are_listed_for_people_and_for_scripts(operator: Operator, incident_id: str) -> None:
    assert operator.run("incident", "list") == 0
    assert incident_id in operator.out
    assert operator.run("incident", "list", "--open", "-f", "json") == 0
    (incident,) = json.loads(operator.out)
    assert (incident["incident_id"], incident["host"], incident["state"]) == (incident_id, "cmp-1", "received")


def test_incident_is_shown_with_the_time_between_stages(operator: Operator, incident_id: str) -> None:
    assert operator.run("incident", "show", incident_id, "-f", "json") == 0
    timeline = json.loads(operator.out)["timeline"]
    assert [(line["stage"], line["since_previous"], line["since_first"]) for line in timeline] == [
        ("first_suspicion", 0.0, 0.0),
        ("verdict", 0.0, 0.0),
        ("event", 0.25, 0.25),
        ("webhook", 0.75, 1.0),
    ]
    assert operator.run("incident", "show", incident_id) == 0
    assert "+0.750 s" in operator.out


def test_unknown_incident_is_told(operator: Operator, incident_id: str) -> None:
    for verb in ("show", "approve", "close"):
        assert operator.run("incident", verb, incident_id[::-1]) == 1
        assert "there is no incident" in operator.err


@pytest.mark.parametrize(("verb", "wish"), [("approve", "approve"), ("close", "close")])
def test_wish_of_a_person_is_stored_for_the_engine(operator: Operator, incident_id: str, verb: str, wish: str) -> None:
    assert operator.run("incident", verb, incident_id) == 0
    assert Store.open(operator.url).get_incident(incident_id).wish == wish


def test_hosts_are_checked_and_their_machines_are_kept(operator: Operator, tmp_path: Path) -> None:
    migrate.upgrade(operator.url)
    bmc = BmcProcess(tmp_path, power="on")
    try:
        entry = f"{{driver: ipmi, address: 127.0.0.1, port: {bmc.port}, user: {USER}, password: {PASSWORD}}}"
        operator.write_inventory(f"cmp-1: {entry}\ncmp-2: {{driver: ipmi}}\n")

        assert operator.run("fencing", "check", "cmp-1", "--format", "json") == 0
        (first,) = json.loads(operator.out)
        assert operator.run("fencing", "check") == 1
    finally:
        bmc.end()

    assert (first["host"], first["fault"], first["learned"]) == ("cmp-1", "", ["00000000-0000-0000-0000-000000000001"])
    assert "ready" in operator.out
    assert "field address" in operator.out
    assert PASSWORD not in operator.out + operator.err
    known = Store.open(operator.url).identities.read_identities()
    assert [(host, driver) for host, driver, _, _ in known] == [("cmp-1", "ipmi")]


def test_missing_inventory_is_told(operator: Operator) -> None:
    migrate.upgrade(operator.url)
    assert operator.run("fencing", "check") == 2
    assert "inventory_file" in operator.err


def test_database_that_was_never_upgraded_is_told_and_can_be(operator: Operator) -> None:
    assert operator.run("incident", "list") == 1
    assert "run the upgrade" in operator.err
    assert operator.run("db", "upgrade") == 0
    assert operator.run("db", "upgrade") == 0
    assert operator.run("incident", "list") == 0


def test_database_that_cannot_be_used_is_told_without_its_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "remediation.conf"
    file.write_text(f"[database]\nconnection = sqlite:///{tmp_path}/nowhere/x.sqlite\n")
    assert manage.main(["--config-file", str(file), "incident", "list"]) == 1
    assert "the database cannot be used: " in capsys.readouterr().err


def test_configuration_that_is_wrong_ends_with_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "remediation.conf"
    file.write_text("[guards]\nstorm_host = 3\n")
    assert manage.main(["--config-file", str(file), "matrix", "lint", str(SHIPPED)]) == 2
    assert "[guards] storm_host: is no option" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["matrix"], ["matrix", "explode"], ["incident", "show"]])
def test_arguments_that_make_no_command_end_with_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        manage.main(arguments)
    assert caught.value.code == 2


def test_timeline_is_measured_in_the_order_of_its_instants() -> None:
    later = Entry("2026-01-31T13:00:02+01:00", Stage.WEBHOOK, "")
    earlier = Entry(NOON.isoformat(), Stage.EVENT, "")
    moments = incident_commands.measured([later, earlier])
    assert [(m.entry, m.since_previous, m.since_first) for m in moments] == [(earlier, 0, 0), (later, 2, 2)]
    assert incident_commands.measured([]) == []
