"""The store: the incidents, kept so that nothing that was acknowledged or intended is lost.

Rules it keeps:
* A host has at most one open incident; the database's unique index says so, not a lock of ours.
* What `record_call` returned is on disk.
* An engine writes to an incident only while it holds the incident's lease, in the same transaction. A lease is an owner
  and a beat that the owner raises. Nobody compares clocks: another engine takes over when it has seen the same beat for
  the length of a lease on its own clock (`workflow.leases`), and raises the beat in the act, so that only one wins.
* A person's wish is stored here and fulfilled by the engine that carries the incident.
"""

import dataclasses
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Self, TypeVar

import sqlalchemy as sa
from oslo_db import exception as db_exception

from remediation.incident.call import Call
from remediation.incident.incident import Incident, InstanceRecord, Wish
from remediation.incident.states import State
from remediation.incident.timeline import MAX_TEXT_LENGTH, ONCE, Entry, Stage
from remediation.store import connect, migrate, rows
from remediation.store.errors import LeaseLost, NoSuchIncident
from remediation.store.identities import StoredIdentities
from remediation.store.schema import CALL, INCIDENT, INSTANCE, TIMELINE

# A row's conflict with another writer is settled by the second try; more than a few in a row is a fault of ours.
MAX_TRIES: Final = 5
MAX_LISTED: Final = 1000  # Incidents in one answer; a person who wants older ones asks for them by id.
_T = TypeVar("_T")
_CONFLICTS: Final = (db_exception.DBDuplicateEntry, db_exception.DBDeadlock)


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a call: it opened the incident (`is_new`), joined it, or was there already (`is_duplicate`)."""

    incident_id: str
    is_new: bool
    is_duplicate: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Lease:
    """Who carries an incident. `owner` is None when nobody does; `beat` grows with every claim and renewal."""

    incident_id: str
    owner: str | None
    beat: int


@dataclasses.dataclass(frozen=True, slots=True)
class OpenIncident:
    """An open incident and who carries it."""

    incident: Incident
    lease: Lease


class Store:
    """The incident database at one URL. Safe to use from several threads and processes.

    identities  which machine each host's fencing device belongs to
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._reader = engine
        self._writer = connect.writer_of(engine)
        self.identities = StoredIdentities(engine)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the database at `url`, which `migrate.upgrade` has prepared.

        Raises SchemaMismatch when it was not, and oslo.db's DBError when it cannot be reached.
        """
        engine = connect.open_engine(url)
        migrate.check(engine)
        return cls(engine)

    def close_connections(self) -> None:
        """Close what is open; the store can still be used and opens connections again."""
        self._reader.dispose()

    # What the webhook does.

    def record_call(self, call: Call) -> Recorded:
        """Store `call`; it joins the open incident of its host or opens one. On disk once this returns.

        A call with a message id that is known is answered with the incident it belongs to, open or not: events are
        delivered again long after they were sent.
        """
        return _again_on_conflict(lambda: self._record_call(call))

    def _record_call(self, call: Call) -> Recorded:
        host, lost = call.verdict.host, call.verdict.lost
        with self._writer.begin() as connection:
            known = connection.execute(
                sa.select(CALL.c.incident_id).where(CALL.c.message_id == call.message_id)
            ).scalar_one_or_none()
            if known is not None:
                return Recorded(known, is_new=False, is_duplicate=True)
            incident_id = connection.execute(
                sa.select(INCIDENT.c.incident_id).where(INCIDENT.c.open_host == host).with_for_update()
            ).scalar_one_or_none()
            is_new = incident_id is None
            if incident_id is None:
                incident_id = str(uuid.uuid4())
                connection.execute(sa.insert(INCIDENT).values(_first_columns(incident_id, call)))
                connection.execute(sa.insert(TIMELINE), _first_entries(incident_id, call))
            else:
                joined = INCIDENT.c.incident_id == incident_id
                connection.execute(sa.update(INCIDENT).where(joined).values(call_count=INCIDENT.c.call_count + 1))
                # What a host loses once we fence it says nothing about the networks.
                is_untouched = INCIDENT.c.evidence_method.is_(None) & (INCIDENT.c.state != str(State.FENCING))
                connection.execute(sa.update(INCIDENT).where(joined, is_untouched).values(lost=lost))
            connection.execute(sa.insert(CALL).values(rows.call_columns(call, incident_id)))
        return Recorded(incident_id, is_new=is_new, is_duplicate=False)

    # What people do.

    def list_incidents(self, *, is_open_only: bool = False) -> list[Incident]:
        """Return incidents, the newest first, at most MAX_LISTED."""
        query = sa.select(INCIDENT).order_by(INCIDENT.c.number.desc()).limit(MAX_LISTED)
        if is_open_only:
            query = query.where(INCIDENT.c.open_host.is_not(None))
        return [rows.incident_from(row) for row in self._fetch(query)]

    def get_incident(self, incident_id: str) -> Incident:
        """Return one incident. Raises NoSuchIncident."""
        found = self._fetch(sa.select(INCIDENT).where(INCIDENT.c.incident_id == incident_id))
        if not found:
            raise NoSuchIncident(incident_id)
        return rows.incident_from(found[0])

    def timeline(self, incident_id: str) -> list[Entry]:
        """Return the incident's timeline in the order in which it was written. Raises NoSuchIncident."""
        self.get_incident(incident_id)
        query = sa.select(TIMELINE).where(TIMELINE.c.incident_id == incident_id).order_by(TIMELINE.c.number)
        return [Entry(row.at, Stage(row.stage), row.text) for row in self._fetch(query)]

    def calls(self, incident_id: str) -> list[Call]:
        """Return the calls that opened and joined the incident, oldest first, at most MAX_LISTED."""
        query = sa.select(CALL).where(CALL.c.incident_id == incident_id).order_by(CALL.c.number).limit(MAX_LISTED)
        return [rows.call_from(row) for row in self._fetch(query)]

    def approve(self, incident_id: str, *, at: str, by: str) -> None:
        """Ask the engine to go on although a guard holds, or to try an escalated incident again at once.

        Raises NoSuchIncident. An incident that is over is left alone.
        """
        self._wish(incident_id, Wish.APPROVE, Entry(at, Stage.NOTE, f"approved by {by}"))

    def close(self, incident_id: str, *, at: str, by: str) -> None:
        """Ask the engine to do nothing more about the incident. Raises NoSuchIncident."""
        self._wish(incident_id, Wish.CLOSE, Entry(at, Stage.NOTE, f"{by} asked to close it"))

    def _wish(self, incident_id: str, wish: Wish, entry: Entry) -> None:
        if not self.get_incident(incident_id).is_open:
            return
        with self._writer.begin() as connection:
            connection.execute(sa.update(INCIDENT).where(INCIDENT.c.incident_id == incident_id).values(wish=str(wish)))
            _append(connection, incident_id, [entry])

    # What engines do.

    def list_open(self) -> list[OpenIncident]:
        """Return every open incident, oldest first, and who carries it."""
        query = sa.select(INCIDENT).where(INCIDENT.c.open_host.is_not(None)).order_by(INCIDENT.c.number)
        return [
            OpenIncident(rows.incident_from(row), Lease(row.incident_id, row.lease_owner, row.lease_beat))
            for row in self._fetch(query)
        ]

    def claim(self, owner: str, seen: Lease) -> Lease | None:
        """Take the incident over from whoever `seen` says, or return None when somebody else was quicker."""
        taken = Lease(seen.incident_id, owner, seen.beat + 1)
        return taken if self._beat(seen, taken) else None

    def renew(self, lease: Lease) -> Lease:
        """Show that the owner lives. Raises LeaseLost when another engine took over."""
        renewed = Lease(lease.incident_id, lease.owner, lease.beat + 1)
        if not self._beat(lease, renewed):
            raise LeaseLost(lease.incident_id, str(lease.owner))
        return renewed

    def release(self, lease: Lease) -> None:
        """Leave the incident to any engine, at once; nothing happens when another one has it already."""
        self._beat(lease, Lease(lease.incident_id, None, lease.beat + 1))

    def _beat(self, seen: Lease, wanted: Lease) -> bool:
        is_seen_owner = INCIDENT.c.lease_owner.is_(None) if seen.owner is None else INCIDENT.c.lease_owner == seen.owner
        with self._writer.begin() as connection:
            changed = connection.execute(
                sa.update(INCIDENT)
                .where(INCIDENT.c.incident_id == seen.incident_id, INCIDENT.c.lease_beat == seen.beat, is_seen_owner)
                .values(lease_owner=wanted.owner, lease_beat=wanted.beat)
            )
        return changed.rowcount == 1

    def save(
        self,
        owner: str,
        incident: Incident,
        *,
        entries: Iterable[Entry] = (),
        records: Iterable[InstanceRecord] = (),
        fulfilled: Wish | None = None,
        lost: str | None = None,
    ) -> None:
        """Write the incident, its timeline's next lines and the changed instance records, all or nothing.

        `fulfilled` is the wish that this change fulfils; a wish made meanwhile stays. `lost` replaces what the calls
        named as lost, when the agents said more lately. Raises LeaseLost unless `owner` carries the incident.
        """
        columns = rows.columns_of(incident)
        if lost is not None:
            columns["lost"] = lost
        incident_id = incident.incident_id
        with self._writer.begin() as connection:
            # MySQL counts changed rows, not matched ones: the select answers whether the lease is still ours.
            holder = connection.execute(
                sa.select(INCIDENT.c.lease_owner).where(INCIDENT.c.incident_id == incident_id).with_for_update()
            ).scalar_one_or_none()
            if holder != owner:
                raise LeaseLost(incident_id, owner)
            connection.execute(sa.update(INCIDENT).where(INCIDENT.c.incident_id == incident_id).values(columns))
            if fulfilled is not None:
                connection.execute(
                    sa.update(INCIDENT)
                    .where(INCIDENT.c.incident_id == incident_id, INCIDENT.c.wish == str(fulfilled))
                    .values(wish=None)
                )
            _append(connection, incident_id, list(entries))
            for record in records:
                _put_record(connection, incident_id, record)

    def records(self, incident_id: str) -> list[InstanceRecord]:
        """Return what is known of the incident's instances, in the order of their ids."""
        query = sa.select(INSTANCE).where(INSTANCE.c.incident_id == incident_id).order_by(INSTANCE.c.instance_id)
        return [rows.record_from(row) for row in self._fetch(query)]

    def rows_called(self, incident_id: str) -> frozenset[str]:
        """Return the names of the matrix rows that the incident's calls named."""
        query = sa.select(CALL.c.row_name).where(CALL.c.incident_id == incident_id).distinct()
        return frozenset(row.row_name for row in self._fetch(query))

    def _fetch(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        with self._reader.connect() as connection:
            return connection.execute(query).fetchall()


def _first_columns(incident_id: str, call: Call) -> dict[str, Any]:
    opened = Incident(
        incident_id=incident_id,
        host=call.verdict.host,
        state=State.RECEIVED,
        reason=call.verdict.reason,
        lost=call.verdict.lost,
        opened_at=call.received_at,
        changed_at=call.received_at,
    )
    return {
        **rows.columns_of(opened),
        "incident_id": incident_id,
        "host": opened.host,
        "lost": opened.lost,
        "opened_at": opened.opened_at,
        "call_count": 1,
        "wish": None,
        "lease_owner": None,
        "lease_beat": 0,
    }


def _first_entries(incident_id: str, call: Call) -> list[dict[str, str]]:
    verdict = call.verdict
    entries = [
        Entry(verdict.concluded_at, Stage.VERDICT, f"{verdict.speaker}: {verdict.reason}"),
        Entry(call.event_generated, Stage.EVENT, f"{verdict.speaker} sent event {call.message_id}"),
        Entry(call.received_at, Stage.WEBHOOK, f"alarm {call.alarm_name} called for row {call.row}"),
    ]
    if verdict.first_suspicion_at is not None:
        entries.insert(0, Entry(verdict.first_suspicion_at, Stage.FIRST_SUSPICION, "a member first doubted the host"))
    return [_entry_columns(incident_id, entry) for entry in entries]


def _entry_columns(incident_id: str, entry: Entry) -> dict[str, str]:
    text = entry.text[:MAX_TEXT_LENGTH]
    return {"incident_id": incident_id, "at": entry.at, "stage": str(entry.stage), "text": text}


def _append(connection: sa.Connection, incident_id: str, entries: Sequence[Entry]) -> None:
    for entry in entries:
        if entry.stage in ONCE:
            there = sa.select(TIMELINE.c.number).where(
                TIMELINE.c.incident_id == incident_id, TIMELINE.c.stage == str(entry.stage)
            )
            if connection.execute(there).first() is not None:
                entry = dataclasses.replace(entry, stage=Stage.NOTE)
        connection.execute(sa.insert(TIMELINE).values(_entry_columns(incident_id, entry)))


def _put_record(connection: sa.Connection, incident_id: str, record: InstanceRecord) -> None:
    key = (INSTANCE.c.incident_id == incident_id) & (INSTANCE.c.instance_id == record.instance_id)
    columns = rows.record_columns(record)
    if connection.execute(sa.select(INSTANCE.c.instance_id).where(key)).first() is None:
        keys = {"incident_id": incident_id, "instance_id": record.instance_id}
        connection.execute(sa.insert(INSTANCE).values({**keys, **columns}))
    else:
        connection.execute(sa.update(INSTANCE).where(key).values(columns))


def _again_on_conflict(attempt: Callable[[], _T]) -> _T:
    """Return what `attempt` returns; two calls about one host at one instant both try to open its incident."""
    for _ in range(MAX_TRIES - 1):
        try:
            return attempt()
        except _CONFLICTS:
            continue
    return attempt()
