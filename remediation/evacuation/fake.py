"""A Nova that exists only here, for tests of everything above the port. It is as unkind as the real one.

It refuses to evacuate from a host whose service is up (400), accepts a second evacuation of an instance in flight and
wedges it, refuses force-up while `done` evacuations remain, puts an instance into ERROR when no host has room, and
starts an instance whose evacuation is repeated from ERROR although it was off. All of it was seen at the real Nova 34.

Accepted evacuations proceed when the test says so (`finish_evacuation`, `finish_all`), or at once with
`is_instant=True`. Asked for twice, an instance is in `wedged`: a test of the engine ends with `assert not fake.wedged`.
"""

import dataclasses
from collections.abc import Iterable

from remediation.evacuation.errors import EvacuationError, NoComputeService, Stage
from remediation.evacuation.port import EVACUATION, ComputeService, Instance, Migration, MigrationProgress

RUNNING = 1  # Nova's power states.
SHUT_DOWN = 4


class FakeCompute:
    """Hosts, instances and migration records in memory.

    calls       (verb, subject) of every call that changes something, in order, refused ones included
    wedged      ids of instances that were evacuated twice at a time
    faults      verb -> the errors that its next calls raise, in order, before anything else happens
    lost        verb -> how many of its next calls are carried out and then raise an uncertain error
    full_hosts  hosts on which the scheduler places nothing
    """

    def __init__(self, hosts: Iterable[str] = (), *, is_instant: bool = False) -> None:
        self.services: dict[str, ComputeService] = {}
        self.instances: dict[str, Instance] = {}
        self.migrations: list[Migration] = []
        self.calls: list[tuple[str, str]] = []
        self.wedged: set[str] = set()
        self.faults: dict[Stage, list[EvacuationError]] = {}
        self.lost: dict[Stage, int] = {}
        self.full_hosts: set[str] = set()
        self._is_instant = is_instant
        self._was_off: set[str] = set()
        for host in hosts:
            self.add_host(host)

    def add_host(self, host: str) -> None:
        """Add a host whose service is up and enabled."""
        self.services[host] = ComputeService(
            service_id=f"service-{host}", host=host, is_up=True, is_forced_down=False, is_enabled=True
        )

    def add_instance(self, instance_id: str, host: str, *, status: str = "ACTIVE", name: str = "") -> Instance:
        """Add an instance, running unless its status says otherwise."""
        power = RUNNING if status == "ACTIVE" else SHUT_DOWN
        instance = Instance(
            id=instance_id, name=name or instance_id, status=status, task_state=None, power_state=power, host=host
        )
        self.instances[instance_id] = instance
        return instance

    def find_service(self, host: str) -> ComputeService:
        """Return the host's service."""
        self._raise_fault(Stage.FIND_SERVICE)
        if host not in self.services:
            sentence = f"Nova has no nova-compute service on host {host}"
            raise NoComputeService(sentence, stage=Stage.FIND_SERVICE, server=host, is_retriable=False)
        return self.services[host]

    def force_down(self, host: str) -> None:
        """Force the host down."""
        self._begin(Stage.FORCE_DOWN, host)
        self._change_service(host, is_up=False, is_forced_down=True)
        self._lose(Stage.FORCE_DOWN, host)

    def force_up(self, host: str) -> None:
        """Take the force-down back, unless evacuations remain that the host's nova-compute has not cleaned up."""
        self._begin(Stage.FORCE_UP, host)
        if any(one.kind == EVACUATION and one.source == host and one.state == "done" for one in self.migrations):
            sentence = "has evacuations that are done but not completed (HTTP 400)"
            raise _refusal(Stage.FORCE_UP, host, sentence, is_retriable=True)
        self._change_service(host, is_up=True, is_forced_down=False)

    def disable(self, host: str, reason: str) -> None:
        """Disable the host's service."""
        self._begin(Stage.DISABLE, host)
        self._change_service(host, is_enabled=False, disabled_reason=reason[:255])

    def enable(self, host: str) -> None:
        """Enable the host's service."""
        self._begin(Stage.ENABLE, host)
        self._change_service(host, is_enabled=True, disabled_reason="")

    def list_instances(self, host: str) -> tuple[Instance, ...]:
        """Return the host's instances by id."""
        self._raise_fault(Stage.LIST_INSTANCES)
        return tuple(one for _, one in sorted(self.instances.items()) if one.host == host)

    def get_instance(self, instance_id: str) -> Instance | None:
        """Return the instance or None."""
        self._raise_fault(Stage.GET_INSTANCE)
        return self.instances.get(instance_id)

    def evacuate(self, instance_id: str, target: str | None = None) -> None:
        """Accept an evacuation, or refuse it as Nova does."""
        self._begin(Stage.EVACUATE, instance_id)
        instance = self._existing(Stage.EVACUATE, instance_id)
        if self.services[instance.host].is_up:
            sentence = f"compute service of {instance.host} is still in use (HTTP 400)"
            raise _refusal(Stage.EVACUATE, instance_id, sentence, is_retriable=True)
        if instance.status not in ("ACTIVE", "SHUTOFF", "ERROR", "REBUILD"):
            raise _refusal(
                Stage.EVACUATE,
                instance_id,
                f"cannot evacuate while it is {instance.status} (HTTP 409)",
                is_retriable=True,
            )
        running = [one for one in self._evacuations(instance_id) if one.progress is MigrationProgress.RUNNING]
        if instance.task_state == "rebuilding" or running:
            self.wedged.add(instance_id)
        if instance.status == "SHUTOFF":
            self._was_off.add(instance_id)
        elif instance.status == "ERROR":
            self._was_off.discard(instance_id)  # Nova knows only the last state: from ERROR it starts the instance.
        self._update(instance_id, status="REBUILD", task_state="rebuilding", fault="")
        self.migrations.append(
            Migration(
                id=len(self.migrations) + 1,
                instance_id=instance_id,
                kind=EVACUATION,
                state="accepted",
                source=instance.host,
                destination=target or "",
            )
        )
        if self._is_instant:
            self.finish_evacuation(instance_id)
        self._lose(Stage.EVACUATE, instance_id)

    def live_migrate(self, instance_id: str, target: str | None = None) -> None:
        """Move a running instance at once."""
        self._begin(Stage.LIVE_MIGRATE, instance_id)
        instance = self._existing(Stage.LIVE_MIGRATE, instance_id)
        if instance.status != "ACTIVE":
            raise _refusal(Stage.LIVE_MIGRATE, instance_id, f"is {instance.status}, not ACTIVE (HTTP 409)")
        destination = target or self._schedule(instance.host)
        if destination is None:
            raise _refusal(Stage.LIVE_MIGRATE, instance_id, "no valid host was found (HTTP 400)")
        self._update(instance_id, host=destination)
        self.migrations.append(
            Migration(
                id=len(self.migrations) + 1,
                instance_id=instance_id,
                kind="live-migration",
                state="completed",
                source=instance.host,
                destination=destination,
            )
        )

    def stop(self, instance_id: str) -> None:
        """Shut the instance off at once."""
        self._begin(Stage.STOP, instance_id)
        self._existing(Stage.STOP, instance_id)
        self._update(instance_id, status="SHUTOFF", power_state=SHUT_DOWN)

    def list_migrations(self, *, source: str | None = None, instance_id: str | None = None) -> tuple[Migration, ...]:
        """Return the records that match."""
        self._raise_fault(Stage.LIST_MIGRATIONS)
        return tuple(
            one for one in self.migrations if source in (None, one.source) and instance_id in (None, one.instance_id)
        )

    def finish_evacuation(self, instance_id: str) -> None:
        """Let the accepted evacuation end: elsewhere in the state it had, in ERROR when no host has room, or never."""
        instance = self.instances[instance_id]
        record = [one for one in self._evacuations(instance_id) if one.progress is MigrationProgress.RUNNING][-1]
        if instance_id in self.wedged:
            self._change_migration(record, state="error")  # And the instance stays in REBUILD.
            return
        destination = record.destination or self._schedule(instance.host)
        if destination is None:
            self._change_migration(record, state="error")
            self._update(instance_id, status="ERROR", task_state=None, fault="No valid host was found.")
            return
        self._change_migration(record, state="done", destination=destination)
        is_off = instance_id in self._was_off
        self._update(
            instance_id,
            host=destination,
            status="SHUTOFF" if is_off else "ACTIVE",
            task_state=None,
            power_state=SHUT_DOWN if is_off else RUNNING,
        )

    def finish_all(self) -> None:
        """Let every accepted evacuation end."""
        running = [one for one in self.migrations if one.progress is MigrationProgress.RUNNING]
        for instance_id in dict.fromkeys(one.instance_id for one in running):
            self.finish_evacuation(instance_id)

    def restart_compute(self, host: str) -> None:
        """The host's nova-compute starts again: it cleans up what was evacuated, and its records become `completed`."""
        for record in list(self.migrations):
            if record.kind == EVACUATION and record.source == host and record.state == "done":
                self._change_migration(record, state="completed")
        self._change_service(host, is_up=not self.services[host].is_forced_down)

    def _schedule(self, source: str) -> str | None:
        """Return the enabled host with the fewest instances; the first by name among equals."""
        hosts = [
            host
            for host, service in sorted(self.services.items())
            if service.is_up and service.is_enabled and host != source and host not in self.full_hosts
        ]
        return min(hosts, key=lambda host: sum(one.host == host for one in self.instances.values()), default=None)

    def _begin(self, stage: Stage, subject: str) -> None:
        self.calls.append((str(stage), subject))
        self._raise_fault(stage)

    def _raise_fault(self, stage: Stage) -> None:
        pending = self.faults.get(stage)
        if pending:
            raise pending.pop(0)

    def _lose(self, stage: Stage, subject: str) -> None:
        if self.lost.get(stage, 0) > 0:
            self.lost[stage] -= 1
            raise EvacuationError(
                f"{stage} {subject}: no answer from the API",
                stage=stage,
                server=subject,
                is_retriable=True,
                is_uncertain=True,
            )

    def _existing(self, stage: Stage, instance_id: str) -> Instance:
        if instance_id not in self.instances:
            is_retriable = stage in (Stage.EVACUATE, Stage.STOP)
            raise _refusal(stage, instance_id, "could not be found (HTTP 404)", is_retriable=is_retriable)
        return self.instances[instance_id]

    def _evacuations(self, instance_id: str) -> list[Migration]:
        return [one for one in self.migrations if one.kind == EVACUATION and one.instance_id == instance_id]

    def _change_service(self, host: str, **changes: bool | str) -> None:
        self.services[host] = dataclasses.replace(self.find_service(host), **changes)  # type: ignore[arg-type]

    def _change_migration(self, record: Migration, **changes: str) -> None:
        self.migrations[self.migrations.index(record)] = dataclasses.replace(record, **changes)  # type: ignore[arg-type]

    def _update(self, instance_id: str, **changes: str | int | None) -> None:
        self.instances[instance_id] = dataclasses.replace(self.instances[instance_id], **changes)  # type: ignore[arg-type]


def _refusal(stage: Stage, server: str, sentence: str, *, is_retriable: bool = False) -> EvacuationError:
    return EvacuationError(f"{stage} {server}: {sentence}", stage=stage, server=server, is_retriable=is_retriable)
