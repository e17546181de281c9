"""What a story, a lab test or a benchmark can see of the running cloud, and how it waits for it.

Everything is read from where the truth is: instances from Nova, power from the chassis' journals, writes from the
shared storage, incidents and their stages from the remediator's store. Works from inside ctl-1's network only (see
`Cloud.enter`). Instants are seconds since the epoch.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minicloud import disk_checker, power
from minicloud.cloud import Cloud
from minicloud.readiness import NotReadyError, wait_for
from remediation.incident.incident import Incident
from remediation.incident.states import State
from remediation.incident.timeline import Entry, Stage
from remediation.store.store import Store

NOVA_COMPUTE = "nova-compute"
CREATE_TIMEOUT = 120.0  # A first instance on a busy machine takes up to 20 s; a lost one never comes.


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance as Nova tells it."""

    instance_id: str
    name: str
    host: str
    status: str


@dataclass(frozen=True, slots=True)
class Scheduling:
    """A host's compute service as Nova tells it."""

    is_enabled: bool
    is_up: bool
    is_forced_down: bool
    reason: str

    def __str__(self) -> str:
        if self.is_forced_down:
            return "forced down"
        return ("enabled" if self.is_enabled else "disabled") + ("" if self.is_up else ", down")


class Scene:
    """Eyes on the cloud, and the hands that put instances into it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.nova = cloud.nova()
        self.store = Store.open(cloud.places.incidents)

    def instances(self) -> tuple[Instance, ...]:
        """Return every instance, by name."""
        listed = self.nova.servers.list(search_opts={"all_tenants": 1})
        found = [Instance(s.id, s.name, getattr(s, "OS-EXT-SRV-ATTR:host") or "", s.status) for s in listed]
        return tuple(sorted(found, key=lambda instance: instance.name))

    def instances_on(self, host: str) -> tuple[Instance, ...]:
        """Return the instances that Nova places on `host`."""
        return tuple(instance for instance in self.instances() if instance.host == host)

    def scheduling(self) -> Mapping[str, Scheduling]:
        """Return each compute host's service."""
        return {
            service.host: Scheduling(
                is_enabled=service.status == "enabled",
                is_up=service.state == "up",
                is_forced_down=bool(service.forced_down),
                reason=getattr(service, "disabled_reason", None) or "",
            )
            for service in self.nova.services.list(binary=NOVA_COMPUTE)
        }

    def create_instances(self, wanted: Mapping[str, int]) -> tuple[Instance, ...]:
        """Create `wanted[host]` instances on each host; return them once all are ACTIVE and write to their disks."""
        openstack = self.cloud.openstack()
        image, flavor, network = (
            openstack.image.find_image("tiny", ignore_missing=False),
            openstack.compute.find_flavor("tiny", ignore_missing=False),
            openstack.network.find_network("demo", ignore_missing=False),
        )
        begun = [
            self.nova.servers.create(
                name=f"vm-{host.removeprefix('cmp-')}{letter}",
                image=image.id,
                flavor=flavor.id,
                nics=[{"net-id": network.id}],
                host=host,
            ).id
            for host, count in wanted.items()
            for letter in "abcdefgh"[:count]
        ]

        def are_writing() -> tuple[Instance, ...]:
            mine = [instance for instance in self.instances() if instance.instance_id in begun]
            for instance in mine:
                if instance.status == "ERROR":
                    fault = getattr(self.nova.servers.get(instance.instance_id), "fault", {})
                    raise NotReadyError(f"instance {instance.name}", CREATE_TIMEOUT, fault.get("message", "ERROR"))
            is_so = all(one.status == "ACTIVE" and self.writer(one.instance_id) == one.host for one in mine)
            return tuple(mine) if is_so and len(mine) == len(begun) else ()

        created: tuple[Instance, ...] = wait_for(f"{len(begun)} instances write", are_writing, timeout=CREATE_TIMEOUT)
        return created

    def records(self, instance_id: str) -> list[disk_checker.Record]:
        """Return what was written to the instance's disk."""
        path = self.cloud.layout.directories.disks / instance_id
        return list(disk_checker.read(path)) if path.exists() else []

    def writer(self, instance_id: str) -> str:
        """Return the host that wrote last, or ""."""
        records = self.records(instance_id)
        return records[-1].host if records else ""

    def disks(self) -> tuple[disk_checker.Report, ...]:
        """Return the checker's reports about all disks."""
        return disk_checker.check_directory(self.cloud.layout.directories.disks)

    def power_cuts(self, host: str, *, since: float) -> tuple[Mapping[str, Any], ...]:
        """Return the entries of the host's chassis that switched it off after `since`."""
        return tuple(
            entry
            for entry in power.events(host, cloud=self.cloud.layout)
            if entry["event"] == "power-off" and entry["wall"] >= since
        )

    def incident(self, host: str, *, since: float) -> Incident | None:
        """Return the newest incident of `host` that was opened after `since`."""
        for incident in self.store.list_incidents():
            if incident.host == host and instant(incident.opened_at) >= since:
                return incident
        return None

    def incidents(self, *, since: float) -> Sequence[Incident]:
        """Return the incidents opened after `since`, oldest first."""
        return [each for each in reversed(self.store.list_incidents()) if instant(each.opened_at) >= since]

    def timeline(self, incident_id: str) -> Sequence[Entry]:
        """Return what happened in the incident so far."""
        return self.store.timeline(incident_id)

    def stages(self, incident_id: str) -> dict[Stage, float]:
        """Return when each stage of the incident was first reached."""
        found: dict[Stage, float] = {}
        for entry in self.timeline(incident_id):
            found.setdefault(entry.stage, instant(entry.at))
        return found

    def wait_for_state(self, host: str, *states: State, since: float, timeout: float) -> Incident:
        """Return the incident of `host` once it is in one of `states`. Raises NotReadyError naming what it was."""

        def reached() -> Incident | None:
            incident = self.incident(host, since=since)
            return incident if incident is not None and incident.state in states else None

        def describe() -> str:
            incident = self.incident(host, since=since)
            return "no incident" if incident is None else f"{incident.state}: {incident.reason}"

        wanted = f"incident of {host} is {' or '.join(states)}"
        try:
            incident: Incident = wait_for(wanted, reached, timeout=timeout)
        except NotReadyError as error:
            raise NotReadyError(wanted, timeout, describe()) from error
        return incident


def instant(iso: str) -> float:
    """Return the seconds since the epoch of an ISO 8601 instant that has a time zone."""
    return datetime.datetime.fromisoformat(iso).timestamp()
