"""The planner: which instances of a fenced host to evacuate now, and what became of each. Pure.

One `Record` for each instance, moved on by the functions below and by nothing else; the engine stores it after each.
The engine's loop, for one host that is proved to be off and forced down:

    migrations = compute.list_migrations(source=host)
    records = begin(host, compute.list_instances(host), migrations, now)
    until is_finished(records):
        for each of choose(records, settings, now):      record = calling(record, now); store it;
                                                         compute.evacuate(...); record = accepted(...) or refused(...)
        for each of to_stop(records):                    compute.stop(...); record = stop_asked(record, now)
        for each of to_observe(records):                 record = observe(record, instance, migrations, settings, now)

Rules kept here:
* Never two evacuations of one instance at a time: Nova accepts the second and wedges the instance. An instance is in
  flight while its task state or an evacuation record says so, and also while it is unknown whether a call arrived.
* At most `parallel` instances of the host in flight; those that wait are taken in the order of the records.
* An instance is DONE when Nova has it on another host, idle, in the state it had. An instance that was off and came
  back running (Nova does that to an instance whose first evacuation failed) is stopped again.
* Each failure has a reason. Retries are bounded, with growing pauses; after `timeout` in flight a person is told.

`now` is seconds on a clock of the engine's own; `resume` moves a stored record to the clock of another engine.
"""

import dataclasses
import enum
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from remediation.evacuation.errors import EvacuationError
from remediation.evacuation.port import EVACUATION, Instance, Migration, MigrationProgress

# Nova's task states of a rebuild, which is what an evacuation is on the new host (nova/compute/task_states.py).
REBUILD_TASKS: Final = frozenset({"rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"})
_DELETED: Final = frozenset({"DELETED", "SOFT_DELETED"})


class Phase(enum.StrEnum):
    """Where an instance is on its way."""

    WAITING = "waiting"  # to be evacuated, not before `next_at`
    CALLING = "calling"  # the call is being made, or its answer never came
    IN_FLIGHT = "in-flight"  # Nova accepted
    RESTORING = "restoring"  # elsewhere and running, but was off: to be stopped again
    DONE = "done"  # elsewhere, in the state it had
    FAILED = "failed"  # given up; `reason` says why
    SKIPPED = "skipped"  # nothing to do; `reason` says why


_FINAL: Final = frozenset({Phase.DONE, Phase.FAILED, Phase.SKIPPED})
_BUSY: Final = frozenset({Phase.CALLING, Phase.IN_FLIGHT})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """Bounds of an evacuation.

    parallel        instances of one host in flight together
    attempts        evacuate calls for one instance, at most
    timeout         seconds in flight after which an instance counts as failed
    backoff         seconds before the second attempt; doubled for each further one
    backoff_max     seconds, the longest pause
    uncertain_wait  seconds after a call without an answer until "nothing to see" means that it never arrived; longer
                    than Nova may take to begin what it received
    """

    parallel: int = 4
    attempts: int = 3
    timeout: float = 600.0
    backoff: float = 2.0
    backoff_max: float = 60.0
    uncertain_wait: float = 20.0

    def __post_init__(self) -> None:
        if self.parallel < 1 or self.attempts < 1:
            raise ValueError("parallel and attempts must be at least 1")
        if not 0 < self.backoff <= self.backoff_max or self.uncertain_wait <= 0 or self.timeout <= 0:
            raise ValueError(
                "backoff, backoff_max, uncertain_wait and timeout must be positive, backoff <= backoff_max"
            )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One instance of the fenced host.

    instance_id, name  as Nova has them
    source             the fenced host
    was                Nova's status when the evacuation began
    phase              where it is on its way
    attempts           evacuate calls made
    next_at            WAITING: not before this. CALLING: from then on "nothing to see" means that it never arrived
    called_at          when the last call was made; 0.0 before
    known_migration    the newest evacuation record already accounted for; a newer one belongs to the last call
    is_stop_asked      RESTORING: Nova accepted the stop
    destination        where it is now, or ""
    reason             one sentence for an operator
    """

    instance_id: str
    name: str
    source: str
    was: str
    phase: Phase
    attempts: int = 0
    next_at: float = 0.0
    called_at: float = 0.0
    known_migration: int = 0
    is_stop_asked: bool = False
    destination: str = ""
    reason: str = ""

    @property
    def is_final(self) -> bool:
        """Whether nothing more will be done about it."""
        return self.phase in _FINAL

    def to_json(self) -> str:
        """Return the record as one line of JSON, to be stored with the incident."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """Rebuild a record. Raises ValueError or TypeError when `text` is not from `to_json`."""
        fields: dict[str, Any] = json.loads(text)
        fields["phase"] = Phase(fields["phase"])
        return cls(**fields)


def begin(
    source: str, instances: Iterable[Instance], migrations: Sequence[Migration], now: float
) -> tuple[Record, ...]:
    """Return a record for each instance that Nova has on `source`, in the order given."""
    return tuple(_first_record(source, instance, migrations, now) for instance in instances)


def choose(records: Sequence[Record], settings: PlanSettings, now: float) -> tuple[Record, ...]:
    """Return the records whose evacuation may be asked for now: due, and no more than may be in flight."""
    free = settings.parallel - sum(record.phase in _BUSY for record in records)
    due = [record for record in records if record.phase is Phase.WAITING and record.next_at <= now]
    return tuple(due[: max(0, free)])


def to_stop(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return the records of instances that run although they were off, and that Nova was not yet asked to stop."""
    return tuple(record for record in records if record.phase is Phase.RESTORING and not record.is_stop_asked)


def to_observe(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return the records about which Nova has to be asked."""
    return tuple(record for record in records if not record.is_final)


def is_finished(records: Sequence[Record]) -> bool:
    """Whether every instance is DONE, FAILED or SKIPPED."""
    return all(record.is_final for record in records)


def calling(record: Record, settings: PlanSettings, now: float) -> Record:
    """The intent, to be stored before the call is made."""
    assert record.phase is Phase.WAITING, f"{record.instance_id} is {record.phase}: a second call would wedge it"
    return dataclasses.replace(
        record,
        phase=Phase.CALLING,
        attempts=record.attempts + 1,
        called_at=now,
        next_at=now + settings.uncertain_wait,
        reason=f"asking Nova, attempt {record.attempts + 1}",
    )


def accepted(record: Record) -> Record:
    """Nova accepted the call."""
    assert record.phase is Phase.CALLING, f"{record.instance_id} is {record.phase}, nothing was asked"
    return dataclasses.replace(record, phase=Phase.IN_FLIGHT, reason="Nova accepted the evacuation")


def refused(record: Record, error: EvacuationError, settings: PlanSettings, now: float) -> Record:
    """The call failed. When Nova may have received it, it stays CALLING until `observe` knows more."""
    assert record.phase is Phase.CALLING, f"{record.instance_id} is {record.phase}, nothing was asked"
    if error.is_uncertain:
        return dataclasses.replace(record, next_at=now + settings.uncertain_wait, reason=error.sentence)
    if not error.is_retriable:
        return dataclasses.replace(record, phase=Phase.FAILED, reason=error.sentence)
    return _try_again(record, error.sentence, settings, now)


def stop_asked(record: Record, now: float) -> Record:
    """Nova accepted the stop of an instance that was off before."""
    assert record.phase is Phase.RESTORING, f"{record.instance_id} is {record.phase}, not to be stopped"
    return dataclasses.replace(record, is_stop_asked=True, called_at=now, reason="it was off: stopping it again")


def stop_refused(record: Record, error: EvacuationError) -> Record:
    """Nova did not stop it. After a retriable error it is asked again; else a person is told that it runs."""
    assert record.phase is Phase.RESTORING, f"{record.instance_id} is {record.phase}, not to be stopped"
    if error.is_retriable:
        return dataclasses.replace(record, reason=error.sentence)
    return dataclasses.replace(record, phase=Phase.FAILED, reason=f"it runs, but was off before: {error.sentence}")


def resume(record: Record, settings: PlanSettings, now: float) -> Record:
    """Return the record on another engine's clock: pauses and limits start over, so that none is cut short."""
    wait = settings.uncertain_wait if record.phase is Phase.CALLING else 0.0
    return dataclasses.replace(record, called_at=now, next_at=now + wait)


def observe(
    record: Record,
    instance: Instance | None,
    migrations: Sequence[Migration],
    settings: PlanSettings,
    now: float,
) -> Record:
    """Return the record in the light of what Nova says about the instance and of its migration records.

    The two cannot be read at one instant and may be read in either order: when they contradict each other the instance
    counts as in flight, and the next look corrects it.
    """
    if record.is_final:
        return record
    if instance is None or _is_deleted(instance):
        return dataclasses.replace(record, phase=Phase.SKIPPED, reason="it was deleted meanwhile")
    last = _newest(migrations, record)
    if instance.host not in ("", record.source):
        return _observe_elsewhere(record, instance, settings, now)
    if last is not None and last.progress is MigrationProgress.FAILED and not _is_rebuilding(instance):
        known = dataclasses.replace(record, known_migration=last.id)
        cause = instance.fault or f"evacuation {last.id} is in state {last.state}"
        return _try_again(known, f"Nova could not rebuild it: {cause}", settings, now)
    # A record that says "done" while the instance has not moved is a look at the wrong moment, not a lost call.
    if _is_rebuilding(instance) or last is not None:
        return _observe_in_flight(record, instance, settings, now)
    if record.phase in _BUSY and now >= record.next_at:
        return _try_again(record, "the call never reached Nova", settings, now)
    return record


def describe(records: Sequence[Record]) -> str:
    """Return one sentence about all: how many of each, and the reason of the first that failed."""
    if not records:
        return "the host had no instances"
    counts = [
        f"{sum(r.phase is phase for r in records)} {phase}" for phase in Phase if any(r.phase is phase for r in records)
    ]
    failed = [record for record in records if record.phase is Phase.FAILED]
    because = f"; {failed[0].name}: {failed[0].reason}" if failed else ""
    return f"of {len(records)} instances: {', '.join(counts)}{because}"


def expected_status(was: str) -> str:
    """Return the status that an instance has to have after its evacuation, from the one it had.

    Nova's API 2.94 and below keeps ACTIVE and SHUTOFF, and starts an instance in ERROR. Every other status that can be
    evacuated (REBOOT, MIGRATING, ...) is one of a running instance.
    """
    return "SHUTOFF" if was == "SHUTOFF" else "ACTIVE"


def _first_record(source: str, instance: Instance, migrations: Sequence[Migration], now: float) -> Record:
    record = Record(
        instance_id=instance.id,
        name=instance.name,
        source=source,
        was=instance.status,
        phase=Phase.WAITING,
        next_at=now,
    )
    if _is_deleted(instance):
        return dataclasses.replace(record, phase=Phase.SKIPPED, reason="it is being deleted")
    last = _newest(migrations, record)
    is_running = last is not None and last.progress is MigrationProgress.RUNNING
    if _is_rebuilding(instance) or is_running:
        # Somebody asked before us (a person, or an engine that died): asking again would wedge it.
        return dataclasses.replace(
            record, phase=Phase.IN_FLIGHT, attempts=1, called_at=now, next_at=now, reason="it was in flight already"
        )
    return record if last is None else dataclasses.replace(record, known_migration=last.id)


def _observe_elsewhere(record: Record, instance: Instance, settings: PlanSettings, now: float) -> Record:
    there = dataclasses.replace(record, destination=instance.host)
    is_idle = instance.task_state is None
    expected = expected_status(record.was)
    if is_idle and instance.status == expected:
        return dataclasses.replace(there, phase=Phase.DONE, reason=f"{expected} on {instance.host}, as it was")
    if is_idle and instance.status == "ERROR":
        cause = instance.fault or "Nova gives no reason"
        return dataclasses.replace(there, phase=Phase.FAILED, reason=f"in ERROR on {instance.host}: {cause}")
    if is_idle and instance.status == "ACTIVE" and there.phase is not Phase.RESTORING:
        return dataclasses.replace(
            there, phase=Phase.RESTORING, called_at=now, reason=f"runs on {instance.host}, but was off: to be stopped"
        )
    return _observe_in_flight(there, instance, settings, now)


def _observe_in_flight(record: Record, instance: Instance, settings: PlanSettings, now: float) -> Record:
    is_known = record.phase in (Phase.IN_FLIGHT, Phase.RESTORING)
    flying = record if is_known else dataclasses.replace(record, phase=Phase.IN_FLIGHT, reason="Nova is rebuilding it")
    if record.phase is Phase.WAITING:
        flying = dataclasses.replace(flying, attempts=max(1, record.attempts), called_at=now)
    if now - flying.called_at < settings.timeout:
        return flying
    seen = f"status {instance.status}, task {instance.task_state}, host {instance.host or 'none'}"
    reason = f"not back after {settings.timeout:g} s ({seen}); look at it, then reset its state and evacuate it by hand"
    return dataclasses.replace(flying, phase=Phase.FAILED, reason=reason)


def _try_again(record: Record, reason: str, settings: PlanSettings, now: float) -> Record:
    if record.attempts >= settings.attempts:
        tried = f"{reason}; given up after {record.attempts} attempts"
        return dataclasses.replace(record, phase=Phase.FAILED, reason=tried)
    pause = min(settings.backoff_max, settings.backoff * 2.0 ** max(0, record.attempts - 1))
    return dataclasses.replace(record, phase=Phase.WAITING, next_at=now + pause, reason=reason)


def _newest(migrations: Sequence[Migration], record: Record) -> Migration | None:
    """Return the newest evacuation record of the instance that is not accounted for yet."""
    own = [
        migration
        for migration in migrations
        if migration.kind == EVACUATION
        and migration.instance_id == record.instance_id
        and migration.source == record.source
        and migration.id > record.known_migration
    ]
    return max(own, key=lambda migration: migration.id, default=None)


def _is_rebuilding(instance: Instance) -> bool:
    return instance.status == "REBUILD" or instance.task_state in REBUILD_TASKS


def _is_deleted(instance: Instance) -> bool:
    return instance.status in _DELETED or instance.task_state in ("deleting", "soft-deleting")
