"""The hypervisor of a host: which instances it has defined, and their guests.

Definitions are files and survive power cuts and restarts of nova-compute, as libvirt's do; guests are units of the
host's init, so they outlive nova-compute, and a power cut ends them. A host that boots runs no guest until somebody
starts one. Raises `control_socket.CommandError` when init does not answer and `storage.StorageError` for the disks.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from minicloud import daemon, layout, storage, units

UNIT_PREFIX = "guest-"
# A guest has nothing to save: SIGTERM ends it at once, unless the host is very busy.
GUEST_STOP_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Definition:
    """An instance that the hypervisor knows, running or not."""

    uuid: str
    name: str
    """What Nova calls it; "instance-00000001"."""
    vcpus: int
    memory_mb: int
    disk_gb: int


class Hypervisor:
    """The hypervisor of one host of one cloud."""

    def __init__(self, cloud: layout.Layout, host: layout.Host) -> None:
        self._cloud = cloud
        self._host = host
        host.guests.mkdir(parents=True, exist_ok=True)

    def definitions(self) -> Mapping[str, Definition]:
        """Return every defined instance, by its UUID."""
        found = [
            Definition(**json.loads(path.read_text(encoding="utf-8")))
            for path in sorted(self._host.guests.glob("*.json"))
        ]
        return {definition.uuid: definition for definition in found}

    def define(self, definition: Definition) -> None:
        """Remember the instance and see that it has a disk; an existing disk is used as it is."""
        storage.create_disk(definition.uuid, cloud=self._cloud)
        path = self._host.guests / f"{definition.uuid}.json"
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(definition)), encoding="utf-8")
        draft.replace(path)

    def undefine(self, uuid: str) -> None:
        """Stop the guest and forget the instance; its disk stays. Nothing happens if it is not defined."""
        self.stop(uuid)
        (self._host.guests / f"{uuid}.json").unlink(missing_ok=True)

    def start(self, uuid: str) -> None:
        """Run the guest; nothing happens if it runs."""
        if self.is_running(uuid):
            return
        unit = units.Unit(
            name=UNIT_PREFIX + uuid,
            argv=tuple(daemon.python_command("minicloud.guest", uuid, self._host.name)),
            env=daemon.environment(self._cloud),
            log=str(self._cloud.directories.log / f"{UNIT_PREFIX}{uuid}-{self._host.name}.log"),
            stop_timeout=GUEST_STOP_TIMEOUT,
        )
        units.start(self._host.name, unit, cloud=self._cloud)

    def stop(self, uuid: str) -> None:
        """End the guest and return when it has ended; nothing happens if it does not run."""
        name = UNIT_PREFIX + uuid
        if units.status(self._host.name, name, cloud=self._cloud) is not None:
            units.stop(self._host.name, name, cloud=self._cloud)
            units.forget(self._host.name, name, cloud=self._cloud)

    def is_running(self, uuid: str) -> bool:
        found = units.status(self._host.name, UNIT_PREFIX + uuid, cloud=self._cloud)
        return found is not None and found.state is not units.UnitState.ENDED

    def disk_exists(self, uuid: str) -> bool:
        return storage.disk_exists(uuid, cloud=self._cloud)

    def delete_disk(self, uuid: str) -> None:
        storage.delete_disk(uuid, cloud=self._cloud)
