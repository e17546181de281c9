"""Draining: live-migrates a host's running instances away, as far as Nova lets it."""

from collections.abc import Callable
from typing import Final

from remediation.evacuation.errors import EvacuationError
from remediation.evacuation.port import Compute, Instance, MigrationProgress
from remediation.incident import outcomes as o

PARALLEL: Final = 2  # Live migrations at once: they copy memory over the management network, which agents need too.
ATTEMPTS: Final = 3  # For one instance; then a person reads why it stayed.


class Drainer:
    """Moves instances of hosts that live. Keeps nothing: `asked` counts, per instance, what was asked for."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def drain(
        self, host: str, asked: dict[str, int], may_act: Callable[[], None]
    ) -> tuple[o.Drained | None, list[str]]:
        """One pass: ask for as many moves as may run at once.

        Returns Drained once nothing more can be moved, and notes for the timeline. Raises EvacuationError when Nova
        cannot even be looked at; a refusal to move one instance is counted and noted.
        """
        instances = self._compute.list_instances(host)
        moving = {
            migration.instance_id
            for migration in self._compute.list_migrations(source=host)
            if migration.progress is MigrationProgress.RUNNING
        } | {instance.id for instance in instances if instance.task_state is not None}
        movable = [one for one in instances if _is_movable(one) and one.id not in moving]
        due = [one for one in movable if asked.get(one.id, 0) < ATTEMPTS]
        still_moving = sum(one.id in moving for one in instances)
        if not due and not still_moving:
            return o.Drained(_conclusion(instances)), []
        notes = []
        for instance in due[: max(0, PARALLEL - still_moving)]:
            asked[instance.id] = asked.get(instance.id, 0) + 1
            may_act()
            try:
                self._compute.live_migrate(instance.id)
                notes.append(f"{instance.name}: live migration asked for")
            except EvacuationError as error:
                notes.append(f"{instance.name}: live migration refused ({asked[instance.id]}): {error.sentence}")
        return None, notes


def _is_movable(instance: Instance) -> bool:
    """Only running instances are moved: the others lose nothing by staying on a host that may fail."""
    return instance.status == "ACTIVE" and instance.task_state is None


def _conclusion(instances: tuple[Instance, ...]) -> str:
    stayed = ", ".join(f"{one.name} ({one.status})" for one in instances)
    return f"stayed on the host: {stayed}" if stayed else "no instance is left on the host"
