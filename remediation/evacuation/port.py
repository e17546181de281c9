"""The port to Nova: what the engine asks of the compute service, and the records it gets back.

`nova.NovaCompute` is the real one, `fake.FakeCompute` the fake. Every method blocks, may be called from several
threads, and raises EvacuationError and nothing else. Hosts are named by Nova's host name.
"""

import dataclasses
import enum
from typing import Protocol

EVACUATION = "evacuation"  # Nova's name for the type of migration record that an evacuation leaves.


class MigrationProgress(enum.Enum):
    """What a migration record's text means to us."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


# Nova's texts; nova/compute/manager.py and nova/compute/api.py write them. "done" is an evacuation whose source host
# has not come back yet, "completed" one whose source has cleaned up (and any finished live migration).
_DONE = frozenset({"done", "completed", "confirmed", "finished"})
_FAILED = frozenset({"error", "failed", "cancelled", "reverted"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ComputeService:
    """One nova-compute service.

    service_id       Nova's UUID of the service
    host             Nova host name
    is_up            Nova hears from it and nobody forced it down
    is_forced_down   an administrator, or we, said it is down
    is_enabled       the scheduler may place instances there
    disabled_reason  why not, or ""
    """

    service_id: str
    host: str
    is_up: bool
    is_forced_down: bool
    is_enabled: bool
    disabled_reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance as Nova describes it.

    id, name     as Nova's API has them
    status       Nova's server status: ACTIVE, SHUTOFF, ERROR, REBUILD, ...
    task_state   what Nova is doing with it, or None
    power_state  Nova's number: 1 running, 4 shut down, 0 unknown
    host         Nova host name where Nova says it is, or "" when it is on none
    project_id   its owner's project
    metadata     its metadata, as sorted pairs
    fault        Nova's last error message about it, or ""
    is_locked    locked by its owner or an administrator
    """

    id: str
    name: str
    status: str
    task_state: str | None
    power_state: int
    host: str
    project_id: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    fault: str = ""
    is_locked: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration record.

    id             Nova's number; later ones are higher
    instance_id    the instance
    kind           Nova's migration type: "evacuation", "live-migration", ...
    state          Nova's text: "accepted", "pre-migrating", "done", "completed", "error", ...
    source         host it left
    destination    host it went to, or "" while unknown
    """

    id: int
    instance_id: str
    kind: str
    state: str
    source: str
    destination: str = ""

    @property
    def progress(self) -> MigrationProgress:
        """Whether it is over. A text we do not know counts as running: asking twice wedges an instance."""
        if self.state in _DONE:
            return MigrationProgress.DONE
        if self.state in _FAILED:
            return MigrationProgress.FAILED
        return MigrationProgress.RUNNING


class Compute(Protocol):
    """What the engine asks of Nova."""

    def find_service(self, host: str) -> ComputeService:
        """Return the host's nova-compute service. Raises NoComputeService, not retriable, when there is none."""

    def force_down(self, host: str) -> None:
        """Tell Nova that the host is down. Only ever after evidence of fencing. May be repeated."""

    def force_up(self, host: str) -> None:
        """Take the force-down back. Nova refuses while evacuations are `done` and not `completed`."""

    def disable(self, host: str, reason: str) -> None:
        """Keep the scheduler away from the host; `reason` is cut at Nova's 255 characters. May be repeated."""

    def enable(self, host: str) -> None:
        """Let the scheduler use the host again. May be repeated."""

    def list_instances(self, host: str) -> tuple[Instance, ...]:
        """Return all instances of all projects that Nova has on the host, in the order of their ids."""

    def get_instance(self, instance_id: str) -> Instance | None:
        """Return the instance, or None when it no longer exists."""

    def evacuate(self, instance_id: str, target: str | None = None) -> None:
        """Ask Nova to rebuild the instance on `target`, or where the scheduler likes. Returns once accepted.

        Never call it for an instance that is in flight: Nova accepts, and wedges the instance. `planner` sees to that.
        """

    def live_migrate(self, instance_id: str, target: str | None = None) -> None:
        """Ask Nova to move a running instance from a live host. Returns once accepted."""

    def stop(self, instance_id: str) -> None:
        """Ask Nova to shut the instance off. Returns once accepted."""

    def list_migrations(self, *, source: str | None = None, instance_id: str | None = None) -> tuple[Migration, ...]:
        """Return migration records of all kinds, oldest first, of that source host and instance (None: any)."""
