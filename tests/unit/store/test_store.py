"""What the store promises to the webhook, to people and to engines, on SQLite and, where it is installed, MariaDB."""

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ceilo_gossip.contract.networks import Network
from remediation.incident import outcomes
from remediation.incident.call import Call
from remediation.incident.evidence import Evidence
from remediation.incident.incident import InstanceRecord, Phase, Wish
from remediation.incident.machine import advance
from remediation.incident.timeline import MAX_TEXT_LENGTH, Entry, Stage
from remediation.store import connect, migrate
from remediation.store.errors import LeaseLost, NoSuchIncident, SchemaMismatch
from remediation.store.schema import METADATA
from remediation.store.store import Lease, Store
from tests.support.calls import NOON, make_verdict

AT = NOON.isoformat()
ALL = tuple(Network)


def make_call(message_id: str, host: str = "cmp-1", lost: tuple[Network, ...] = ALL, row: str = "all-lost") -> Call:
    return Call(
        call_id=f"call-{message_id}",
        alarm_id="a-1",
        alarm_name=f"ceilo-gossip/{row}",
        row=row,
        verdict=make_verdict(host=host, lost=lost),
        event_generated=AT,
        received_at=AT,
        message_id=message_id,
    )


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MariaDB of our own on a Unix socket, or a skip where none is installed."""
    server, install = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if server is None or install is None:
        pytest.skip("MariaDB is not installed (mariadb-server-core)")
    pytest.importorskip("pymysql")
    home = tmp_path_factory.mktemp("mariadb")
    socket = f"{home}/s"
    options = ["--no-defaults", f"--datadir={home}/data", "--user=root"]
    subprocess.run(
        [install, *options, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    process = subprocess.Popen(
        [
            server,
            *options,
            f"--socket={socket}",
            "--skip-networking",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=32M",
            "--performance-schema=OFF",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"mysql+pymysql://root@localhost/{{}}?unix_socket={socket}"
    try:
        _wait_for(url.format(""), process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    engine = sa.create_engine(url)
    deadline = time.monotonic() + 60
    while True:
        try:
            with engine.connect():
                return
        except sa.exc.OperationalError:
            assert process.poll() is None, "MariaDB ended by itself"
            assert time.monotonic() < deadline, "MariaDB did not come up within 60 s"
            threading.Event().wait(0.1)


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/incidents.sqlite"
        return
    template = request.getfixturevalue("mariadb")
    engine = sa.create_engine(template.format(""))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS incidents")
        connection.exec_driver_sql("CREATE DATABASE incidents")
    yield template.format("incidents")
    engine.dispose()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    migrate.upgrade(url)
    opened = Store.open(url)
    yield opened
    opened.close_connections()


def test_first_call_opens_an_incident_with_its_first_stages(store: Store) -> None:
    recorded = store.record_call(make_call("m-1"))
    assert (recorded.is_new, recorded.is_duplicate) == (True, False)
    incident = store.get_incident(recorded.incident_id)
    assert (incident.host, incident.lost, incident.call_count) == ("cmp-1", "management+storage+tunnel", 1)
    assert [entry.stage for entry in store.timeline(incident.incident_id)] == [
        Stage.FIRST_SUSPICION,
        Stage.VERDICT,
        Stage.EVENT,
        Stage.WEBHOOK,
    ]


def test_further_calls_join_the_open_incident_of_their_host(store: Store) -> None:
    first = store.record_call(make_call("m-1", lost=(Network.STORAGE,), row="storage-lost"))
    second = store.record_call(make_call("m-2"))
    other = store.record_call(make_call("m-3", host="cmp-2"))
    assert second.incident_id == first.incident_id
    assert not second.is_new
    assert other.incident_id != first.incident_id
    assert store.get_incident(first.incident_id).call_count == 2
    assert store.rows_called(first.incident_id) == {"storage-lost", "all-lost"}
    assert [call.message_id for call in store.calls(first.incident_id)] == ["m-1", "m-2"]


def test_same_message_is_answered_with_its_incident_even_when_that_is_over(store: Store) -> None:
    recorded = store.record_call(make_call("m-1"))
    dismiss(store, recorded.incident_id)
    again = store.record_call(make_call("m-1"))
    assert (again.incident_id, again.is_new, again.is_duplicate) == (recorded.incident_id, False, True)
    assert store.record_call(make_call("m-2")).is_new


def test_stored_call_comes_back_whole(store: Store) -> None:
    call = make_call("m-1")
    recorded = store.record_call(call)
    assert store.calls(recorded.incident_id) == [call]


def test_calls_of_many_threads_at_once_open_one_incident_for_each_host(store: Store) -> None:
    outcomes_of: list[str] = []
    lock = threading.Lock()

    def record(thread: int) -> None:
        for number in range(10):
            recorded = store.record_call(make_call(f"m-{thread}-{number}", host=f"cmp-{number % 3}"))
            with lock:
                outcomes_of.append(recorded.incident_id)

    threads = [threading.Thread(target=record, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes_of) == 60
    assert len(set(outcomes_of)) == 3
    assert sum(incident.call_count for incident in store.list_incidents()) == 60


def test_other_process_sees_a_call_as_soon_as_it_is_recorded(store: Store, url: str) -> None:
    recorded = store.record_call(make_call("m-1"))
    other = Store.open(url)
    assert other.get_incident(recorded.incident_id).host == "cmp-1"
    other.close_connections()


def test_incident_is_saved_with_its_evidence_records_and_timeline(store: Store) -> None:
    incident_id = store.record_call(make_call("m-1")).incident_id
    claim(store, incident_id)
    evidence = Evidence(method="ipmi", text="off, read twice", at=AT)
    incident = store.get_incident(incident_id)
    for outcome in (
        outcomes.Taken(),
        outcomes.FenceChosen("all-lost", "evacuate", "3 of 3"),
        outcomes.FenceProven(evidence),
    ):
        incident, entry = advance(incident, outcome, at=AT)
        record = InstanceRecord(
            instance_id="vm-1", name="web", status_before="ACTIVE", phase=Phase.REQUESTED, plan="{}"
        )
        store.save("me", incident, entries=[entry], records=[record])
    assert store.get_incident(incident_id) == incident
    assert store.records(incident_id) == [record]
    assert store.timeline(incident_id)[-1] == Entry(AT, Stage.FENCE_EVIDENCE, "ipmi: off, read twice")


def test_measured_stage_is_written_once_and_its_repetition_is_a_note(store: Store) -> None:
    incident_id = store.record_call(make_call("m-1")).incident_id
    claim(store, incident_id)
    entries = [Entry(AT, Stage.FENCE_REQUESTED, "first"), Entry(AT, Stage.FENCE_REQUESTED, "again")]
    store.save("me", store.get_incident(incident_id), entries=entries)
    assert [(one.stage, one.text) for one in store.timeline(incident_id)[-2:]] == [
        (Stage.FENCE_REQUESTED, "first"),
        (Stage.NOTE, "again"),
    ]


def test_text_beyond_the_limit_is_cut(store: Store) -> None:
    incident_id = store.record_call(make_call("m-1")).incident_id
    claim(store, incident_id)
    store.save("me", store.get_incident(incident_id), entries=[Entry(AT, Stage.NOTE, "x" * (MAX_TEXT_LENGTH + 1))])
    assert len(store.timeline(incident_id)[-1].text) == MAX_TEXT_LENGTH


def test_of_two_engines_one_claims(store: Store) -> None:
    store.record_call(make_call("m-1"))
    seen = store.list_open()[0].lease
    lease = store.claim("me", seen)
    assert lease is not None
    assert lease.owner == "me"
    assert store.claim("you", seen) is None


def test_engine_that_was_taken_over_can_neither_renew_nor_write(store: Store) -> None:
    incident_id = store.record_call(make_call("m-1")).incident_id
    mine = claim(store, incident_id)
    assert store.claim("you", store.list_open()[0].lease) is not None
    with pytest.raises(LeaseLost):
        store.renew(mine)
    with pytest.raises(LeaseLost):
        store.save("me", store.get_incident(incident_id), entries=[Entry(AT, Stage.NOTE, "never written")])
    store.release(mine)  # Nothing happens: it is not ours any more.
    assert store.list_open()[0].lease.owner == "you"
    assert "never written" not in [entry.text for entry in store.timeline(incident_id)]


def test_writing_the_same_again_is_no_lost_lease(store: Store) -> None:
    """MySQL counts rows that changed, not rows that matched."""
    incident_id = store.record_call(make_call("m-1")).incident_id
    claim(store, incident_id)
    incident = store.get_incident(incident_id)
    store.save("me", incident)
    store.save("me", incident)


def test_released_incident_has_no_owner(store: Store) -> None:
    incident_id = store.record_call(make_call("m-1")).incident_id
    store.release(claim(store, incident_id))
    assert store.list_open()[0].lease.owner is None


def test_wish_stays_until_the_engine_fulfils_it(store: Store) -> None:
    incident_id = store.record_call(make_call("m-1")).incident_id
    claim(store, incident_id)
    store.approve(incident_id, at=AT, by="ada")
    assert store.get_incident(incident_id).wish is Wish.APPROVE
    store.save("me", store.get_incident(incident_id), fulfilled=Wish.CLOSE)
    assert store.get_incident(incident_id).wish is Wish.APPROVE
    store.save("me", store.get_incident(incident_id), fulfilled=Wish.APPROVE)
    assert store.get_incident(incident_id).wish is None


def test_wish_about_an_incident_that_is_over_changes_nothing(store: Store) -> None:
    incident_id = store.record_call(make_call("m-1")).incident_id
    dismiss(store, incident_id)
    store.close(incident_id, at=AT, by="ada")
    assert store.get_incident(incident_id).wish is None


@pytest.mark.parametrize("question", ["get_incident", "timeline"])
def test_unknown_incident_is_named(store: Store, question: str) -> None:
    with pytest.raises(NoSuchIncident, match="no-such"):
        getattr(store, question)("no-such")


def test_newest_incident_is_listed_first(store: Store) -> None:
    for number in range(3):
        store.record_call(make_call(f"m-{number}", host=f"cmp-{number}"))
    assert [incident.host for incident in store.list_incidents()] == ["cmp-2", "cmp-1", "cmp-0"]
    dismiss(store, store.list_incidents()[0].incident_id)
    assert [incident.host for incident in store.list_incidents(is_open_only=True)] == ["cmp-1", "cmp-0"]


def test_first_learned_machine_of_a_device_stays(store: Store, url: str) -> None:
    one = ("cmp-1", "redfish", "[192.0.2.1]:443/1", "4c4c4544-0042-3510-8052-b4c04f564431")
    other = ("cmp-1", "ipmi", "[192.0.2.1]:623", "4c4c4544-0042-3510-8052-b4c04f564432")
    for known in (one, other, (*one[:3], other[3])):
        store.identities.keep_identity(*known)

    assert sorted(Store.open(url).identities.read_identities()) == sorted([one, other])


def test_database_that_was_not_upgraded_is_refused(url: str) -> None:
    with pytest.raises(SchemaMismatch, match="run the upgrade"):
        Store.open(url)


def test_upgrade_can_be_repeated_and_gives_the_tables_of_the_schema(url: str) -> None:
    migrate.upgrade(url)
    migrate.upgrade(url)
    engine = connect.open_engine(url)
    found = sa.inspect(engine)
    for table in METADATA.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert columns == {column.name: column.nullable for column in table.columns}
        indexed = {tuple(index["column_names"]) for index in found.get_indexes(table.name)}
        assert {tuple(column.name for column in index.columns) for index in table.indexes} <= indexed
    engine.dispose()


def claim(store: Store, incident_id: str) -> Lease:
    seen = next(one.lease for one in store.list_open() if one.lease.incident_id == incident_id)
    lease = store.claim("me", seen)
    assert lease is not None
    return lease


def dismiss(store: Store, incident_id: str) -> None:
    claim(store, incident_id)
    incident = store.get_incident(incident_id)
    for outcome in (outcomes.Taken(), outcomes.Unconfirmed("it is well")):
        incident, entry = advance(incident, outcome, at=AT)
        store.save("me", incident, entries=[entry])
