"""Rebuilding: the instances of a host that is off, asked for elsewhere and looked after, by the planner's rules.

`Rebuild` cannot be made without evidence of fencing, and nothing else in this package asks Nova for an evacuation. Each
intent is stored before its call is made; after a crash the planner finds out from Nova what became of it.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from remediation.evacuation import planner
from remediation.evacuation.errors import EvacuationError
from remediation.evacuation.planner import PlanSettings, Record
from remediation.evacuation.port import Compute, Instance
from remediation.incident.evidence import Evidence
from remediation.incident.incident import InstanceRecord, Phase
from remediation.incident.timeline import Entry, Stage

RunAll = Callable[[Sequence[Callable[[], Record]]], list[Record]]

_PHASES = {
    planner.Phase.WAITING: Phase.PENDING,
    planner.Phase.CALLING: Phase.REQUESTED,
    planner.Phase.IN_FLIGHT: Phase.ACCEPTED,
    planner.Phase.RESTORING: Phase.ACCEPTED,
    planner.Phase.DONE: Phase.DONE,
    planner.Phase.FAILED: Phase.FAILED,
    planner.Phase.SKIPPED: Phase.GONE,
}


class Save(Protocol):
    """Writes changed records and lines of the timeline, both or neither; raises LeaseLost."""

    def __call__(self, records: Iterable[InstanceRecord], entries: Iterable[Entry]) -> None:
        """Write them."""


def one_by_one(calls: Sequence[Callable[[], Record]]) -> list[Record]:
    """Make calls in their order; the simplest way to make them all."""
    return [call() for call in calls]


class Rebuild:
    """The instances of one fenced host.

    evidence   that the host is off
    may_act    raises LeaseLost when the incident is no longer ours; asked before each call
    run_all    makes several calls, perhaps at once
    """

    def __init__(
        self,
        host: str,
        evidence: Evidence,
        *,
        compute: Compute,
        settings: PlanSettings,
        save: Save,
        may_act: Callable[[], None],
        clock: Callable[[], float],
        wall_clock: Callable[[], str],
        run_all: RunAll = one_by_one,
    ) -> None:
        assert isinstance(evidence, Evidence), "no evidence, no evacuation"
        self._host = host
        self._compute = compute
        self._settings = settings
        self._save = save
        self._may_act = may_act
        self._clock = clock
        self._wall_clock = wall_clock
        self._run_all = run_all

    def force_down(self) -> None:
        """Tell Nova that the host is down. Raises EvacuationError."""
        self._may_act()
        self._compute.force_down(self._host)

    def plan(self, known: Sequence[InstanceRecord]) -> list[InstanceRecord]:
        """Return the records to store: new instances, failed ones begun anew, the rest moved to this engine's clock.

        What an instance was when the incident first saw it stays. Raises EvacuationError.
        """
        now = self._clock()
        instances = self._compute.list_instances(self._host)
        begun = planner.begin(self._host, instances, self._compute.list_migrations(source=self._host), now)
        by_id = {record.instance_id: record for record in known}
        changed: list[InstanceRecord] = []
        for record in begun:
            old = by_id.get(record.instance_id)
            if old is None or old.phase is Phase.FAILED:
                was = old.status_before if old is not None else record.was
                changed.append(self._stored(dataclasses.replace(record, was=was), old))
        renewed = {record.instance_id for record in changed}
        changed += [
            self._stored(planner.resume(_planned(old), self._settings, now), old)
            for old in known
            if old.instance_id not in renewed and not old.is_finished
        ]
        return changed

    def ask(self, known: Sequence[InstanceRecord], *, is_first: bool) -> None:
        """One pass: look how far each instance is, then ask Nova for those that are due. Raises EvacuationError.

        The first pass follows a new plan at once and does not look again at what was just seen. A plan made over older
        records is none: `plan` does not look at those, and somebody else may have evacuated them meanwhile.
        """
        stored = {record.instance_id: record for record in (known if is_first else self.look(known))}
        now = self._clock()
        planned = [_planned(record) for record in stored.values()]
        due = [planner.calling(record, self._settings, now) for record in planner.choose(planned, self._settings, now)]
        if not due:
            return
        self._may_act()
        intents = [self._stored(record, stored[record.instance_id]) for record in due]
        self._save(intents, [])
        answered = self._run_all([self._call(record) for record in due])
        results = [self._stored(record, stored[record.instance_id]) for record in answered]
        self._save(results, self._accepted(results))

    def look(self, known: Sequence[InstanceRecord]) -> list[InstanceRecord]:
        """Store what Nova says about each instance, have stopped what was off before; return all as they are now.

        Raises EvacuationError.
        """
        stored = {record.instance_id: record for record in known}
        to_observe = planner.to_observe([_planned(record) for record in known])
        if not to_observe:
            return list(known)
        here = {instance.id: instance for instance in self._compute.list_instances(self._host)}
        migrations = self._compute.list_migrations(source=self._host)
        seen = [
            planner.observe(record, self._find(record, here), migrations, self._settings, self._clock())
            for record in to_observe
        ]
        for record in planner.to_stop(seen):
            seen[seen.index(record)] = self._stop(record)
        changed = [self._stored(record, stored[record.instance_id]) for record in seen]
        changed = [record for record in changed if record != stored[record.instance_id]]
        if changed:
            self._save(changed, self._came_back(changed))
        stored.update({record.instance_id: record for record in changed})
        return list(stored.values())

    def left_behind(self, known: Sequence[InstanceRecord]) -> list[InstanceRecord]:
        """Return records of instances on the host that nobody planned for. Raises EvacuationError."""
        ids = {record.instance_id for record in known}
        return [record for record in self.plan(known) if record.instance_id not in ids]

    def _find(self, record: Record, here: dict[str, Instance]) -> Instance | None:
        found = here.get(record.instance_id)
        return found if found is not None else self._compute.get_instance(record.instance_id)

    def _call(self, record: Record) -> Callable[[], Record]:
        def call() -> Record:
            self._may_act()
            try:
                self._compute.evacuate(record.instance_id)
            except EvacuationError as error:
                return planner.refused(record, error, self._settings, self._clock())
            return planner.accepted(record)

        return call

    def _stop(self, record: Record) -> Record:
        self._may_act()
        try:
            self._compute.stop(record.instance_id)
        except EvacuationError as error:
            return planner.stop_refused(record, error)
        return planner.stop_asked(record, self._clock())

    def _stored(self, record: Record, old: InstanceRecord | None) -> InstanceRecord:
        phase = _PHASES[record.phase]
        accepted_at = old.accepted_at if old is not None else ""
        active_at = old.active_at if old is not None else ""
        if phase is Phase.ACCEPTED and not accepted_at:
            accepted_at = self._wall_clock()
        if phase is Phase.DONE and not active_at:
            active_at = self._wall_clock()
        return InstanceRecord(
            instance_id=record.instance_id,
            name=record.name,
            status_before=record.was,
            phase=phase,
            attempts=record.attempts,
            reason=record.reason,
            destination=record.destination,
            accepted_at=accepted_at,
            active_at=active_at,
            plan=record.to_json(),
        )

    @staticmethod
    def _accepted(records: Sequence[InstanceRecord]) -> list[Entry]:
        return [
            Entry(record.accepted_at, Stage.EVACUATE_ACCEPTED, f"{record.name}: {record.reason}")
            for record in records
            if record.phase is Phase.ACCEPTED
        ]

    @staticmethod
    def _came_back(records: Sequence[InstanceRecord]) -> list[Entry]:
        return [
            Entry(record.active_at, Stage.FIRST_ACTIVE, f"{record.name}: {record.reason}")
            for record in records
            if record.phase is Phase.DONE
        ]


def describe(records: Sequence[InstanceRecord]) -> str:
    """Return one sentence about all instances."""
    return planner.describe([_planned(record) for record in records])


def _planned(record: InstanceRecord) -> Record:
    return Record.from_json(record.plan)
