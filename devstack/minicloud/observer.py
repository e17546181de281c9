"""Watches the running cloud for the demo: takes snapshots, and says in a line each what changed between two of them.

It runs beside the story in a thread of its own and never disturbs it: what cannot be read at one moment (an API that
is slow, an agent that was killed) keeps its last value.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from keystoneauth1 import exceptions as keystone_errors
from novaclient import exceptions as nova_errors
from oslo_db import exception as database_errors

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.client import ControlError, ask
from minicloud import power
from minicloud.control_socket import CommandError
from minicloud.endpoints import CONTROL_HOST
from minicloud.picture import HostPicture, IncidentPicture, Snapshot, TimelineLine
from minicloud.scene import Instance, Scene, Scheduling, instant

INTERVAL: Final = 0.5  # Seconds between two snapshots; each asks Nova two questions.
_UNREADABLE: Final = (
    OSError,
    CommandError,
    ControlError,
    keystone_errors.ClientException,
    nova_errors.ClientException,
    database_errors.DBError,
)


class Observer:
    """Takes snapshots of `scene`, starting with the incidents opened after `since` (seconds since the epoch)."""

    def __init__(self, scene: Scene, *, since: float) -> None:
        self._scene = scene
        self._since = since
        self._faults: dict[str, float] = {}
        self._power: dict[str, str] = {}
        self._networks: Mapping[str, Mapping[Network, str]] = {}
        self._scheduling: Mapping[str, Scheduling] = {}
        self._instances: tuple[Instance, ...] = ()
        self._incidents: tuple[IncidentPicture, ...] = ()

    def note_fault(self, host: str, at: float) -> None:
        """Count the times in the timeline of `host` from `at`."""
        self._faults[host] = at

    def look(self) -> Snapshot:
        """Return what is to be seen now."""
        for read in (self._read_power, self._read_networks, self._read_nova, self._read_incidents):
            with contextlib.suppress(*_UNREADABLE):
                read()
        return Snapshot(
            hosts=[self._host(host.name) for host in self._scene.cloud.layout.hosts], incidents=self._incidents
        )

    def _host(self, name: str) -> HostPicture:
        is_off = self._power.get(name) == "off"
        seen = self._networks.get(name, {})
        scheduling = self._scheduling.get(name)
        return HostPicture(
            name=name,
            networks={network: seen.get(network, "unknown") for network in Network},
            power="off" if is_off else "on",
            scheduling="" if scheduling is None else str(scheduling),
            instances=[
                one.name if one.status == "ACTIVE" else f"{one.name} ({one.status.lower()})"
                for one in self._instances
                if one.host == name
            ],
        )

    def _read_power(self) -> None:
        for host in self._scene.cloud.layout.hosts:
            found = power.status(host.name, cloud=self._scene.cloud.layout)
            self._power[host.name] = "on" if found.is_on else "off"

    def _read_networks(self) -> None:
        socket = self._scene.cloud.places.agent_socket(self._scene.cloud.layout.host(CONTROL_HOST))
        rows = ask(socket, "verdict")["hosts"]
        self._networks = {
            row["host"]: {Network(name): state for name, state in row["networks"].items()} for row in rows
        }

    def _read_nova(self) -> None:
        self._instances = self._scene.instances()
        self._scheduling = self._scene.scheduling()

    def _read_incidents(self) -> None:
        self._incidents = tuple(
            IncidentPicture(
                host=incident.host,
                state=str(incident.state),
                action=incident.action or "not yet confirmed",
                timeline=[
                    TimelineLine(after=self._after(incident.host, entry.at), stage=str(entry.stage), text=entry.text)
                    for entry in self._scene.timeline(incident.incident_id)
                ],
            )
            for incident in self._scene.incidents(since=self._since)
        )

    def _after(self, host: str, at: str) -> float | None:
        fault_at = self._faults.get(host)
        return None if fault_at is None else instant(at) - fault_at


def changes(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Yield a line for each thing that is different in `after`."""
    known = {host.name: host for host in before.hosts}
    for host in after.hosts:
        old = known.get(host.name)
        if old is None:
            continue
        if host.power != old.power:
            yield f"{host.name} power {host.power}"
        for network in Network:
            if host.networks[network] != old.networks[network]:
                yield f"{host.name} {network}: {old.networks[network]} -> {host.networks[network]}"
        if host.scheduling != old.scheduling:
            yield f"{host.name} nova-compute: {old.scheduling} -> {host.scheduling}"
        if list(host.instances) != list(old.instances):
            yield f"{host.name} instances: {' '.join(host.instances) or 'none'}"
    told = {incident.host: len(incident.timeline) for incident in before.incidents}
    for incident in after.incidents:
        for line in incident.timeline[told.get(incident.host, 0) :]:
            after_fault = "" if line.after is None else f" {line.after:.2f} s after the fault"
            yield f"incident of {incident.host}: {line.stage}{after_fault}: {line.text}"


class Watch:
    """Runs an observer in a thread and hands each snapshot to `show(before, after)`."""

    def __init__(self, observer: Observer, show: Callable[[Snapshot, Snapshot], None]) -> None:
        self._observer = observer
        self._show = show
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        before = self._observer.look()
        self._show(before, before)
        while not self._is_over.is_set():
            started_at = time.monotonic()
            after = self._observer.look()
            self._show(before, after)
            before = after
            self._is_over.wait(max(0.0, INTERVAL - (time.monotonic() - started_at)))
