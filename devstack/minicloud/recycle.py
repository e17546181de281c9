"""Puts a broken host back into service, as an operator would after its incident ended; for repeated trials.

The order is Nova's (it refuses to take back a forced-down host while evacuations from it are not cleaned up): power
and networks, then nova-compute by itself at boot, then its clean-up, then force-up, then scheduling.
"""

from collections.abc import Callable

from novaclient import exceptions as nova_errors

from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.control.client import ControlError, ask
from minicloud import faults, power
from minicloud.endpoints import CONTROL_HOST
from minicloud.readiness import wait_for
from minicloud.scene import NOVA_COMPUTE, Scene

BACK_TIMEOUT = 180.0  # A booting host starts nova-compute in about 10 s on a quiet machine; five at once take longer.


def put_back(scene: Scene, host: str, *, say: Callable[[str], None] = lambda text: None) -> None:
    """Return once `host` is on, seen UP on every network, enabled in Nova, and has no open incident.

    Raises NotReadyError naming what did not come true.
    """
    layout = scene.cloud.layout
    for network in layout.host(host).networks:
        faults.heal(host, network.name, cloud=layout)
    power.bmc_on(host, cloud=layout)
    power.power_on(host, by="operator", cloud=layout)
    say(f"{host} has power and networks")
    wait_for(f"{host} is up on every network", lambda: _is_up(scene, host), timeout=BACK_TIMEOUT)
    wait_for(f"Nova cleaned {host} up", lambda: not _unfinished_evacuations(scene, host), timeout=BACK_TIMEOUT)
    wait_for(f"Nova takes {host} back", lambda: _take_back(scene, host), timeout=BACK_TIMEOUT)
    wait_for(f"{host} has no open incident", lambda: not _open_incidents(scene, host), timeout=BACK_TIMEOUT)
    say(f"{host} is back in service")


def _is_up(scene: Scene, host: str) -> bool:
    socket = scene.cloud.places.agent_socket(scene.cloud.layout.host(CONTROL_HOST))
    try:
        rows = {row["host"]: row["networks"] for row in ask(socket, "verdict")["hosts"]}
    except ControlError:
        return False
    return host in rows and all(rows[host].get(network) == NetworkState.UP for network in Network)


def _unfinished_evacuations(scene: Scene, host: str) -> list[str]:
    listed = scene.nova.migrations.list(host=host, source_compute=host, migration_type="evacuation")
    return [each.uuid for each in listed if each.status in ("accepted", "pre-migrating", "done")]


def _take_back(scene: Scene, host: str) -> bool:
    (service,) = scene.nova.services.list(host=host, binary=NOVA_COMPUTE)
    if service.forced_down:
        try:
            scene.nova.services.force_down(service.id, False)
        except nova_errors.BadRequest:
            return False  # Nova still cleans up.
    if service.status != "enabled":
        scene.nova.services.enable(service.id)
    scheduling = scene.scheduling()[host]
    return scheduling.is_enabled and scheduling.is_up


def _open_incidents(scene: Scene, host: str) -> list[str]:
    return [each.incident_id for each in scene.store.list_incidents(is_open_only=True) if each.host == host]
