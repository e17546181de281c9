"""The table that `minicloud.sh status` prints: hosts with power, agent and compute service, units, endpoints."""

import contextlib
from collections.abc import Mapping
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from minicloud import endpoints, kernel, openrc, power, readiness, units
from minicloud.cloud import Cloud
from minicloud.control_socket import CommandError
from minicloud.units import UnitStatus

_OFF: Final = "-"


def show(cloud: Cloud, console: Console) -> bool:
    """Print the tables; return whether everything that should run does."""
    found = {host.name: _units(cloud, host.name) for host in cloud.layout.hosts}
    if all(states is None for states in found.values()):
        console.print("The cloud is down.")
        return False
    kernel.enter_network_namespace(cloud.layout.host(endpoints.CONTROL_HOST).namespace)
    services = _compute_services(cloud)
    hosts = Table("host", "power", "BMC", "agent", "compute service", "other units", title="Hosts", box=box.SIMPLE_HEAD)
    whole = True
    for host in cloud.layout.hosts:
        lamp, bmc = _power(cloud, host.name)
        states = found[host.name] or {}
        names = ["ceilo-gossip-agent", *([] if host.is_controller else ["nova-compute"])]
        others = [name for name in states if name not in names]
        running = sum(states[name].state == "running" for name in others)
        whole = whole and lamp == "on" and all(_state(states, name) == "running" for name in (*names, *others))
        hosts.add_row(
            host.name,
            lamp,
            bmc,
            _state(states, "ceilo-gossip-agent"),
            services.get(host.name, _OFF),
            f"{running} of {len(others)} run" if others else _OFF,
        )
    console.print(hosts)
    table = Table("service", "inside", "from 127.0.0.1", "answers", title="Endpoints", box=box.SIMPLE_HEAD)
    for endpoint in endpoints.ALL:
        is_well = _answers(endpoint.url)
        whole = whole and is_well
        table.add_row(
            f"{endpoint.name} ({endpoint.kind})",
            endpoint.url,
            str(endpoint.port + openrc.PORT_OFFSET),
            "yes" if is_well else "no",
        )
    console.print(table)
    lines = Table("unit of ctl-1", "state", "starts", title="Services", box=box.SIMPLE_HEAD)
    for name, unit in (found[endpoints.CONTROL_HOST] or {}).items():
        lines.add_row(name, str(unit.state), str(unit.starts))
    console.print(lines)
    return whole


def _units(cloud: Cloud, host: str) -> Mapping[str, UnitStatus] | None:
    with contextlib.suppress(CommandError):
        return units.list_units(host, cloud=cloud.layout)
    return None


def _state(states: Mapping[str, UnitStatus], name: str) -> str:
    return str(states[name].state) if name in states else _OFF


def _power(cloud: Cloud, host: str) -> tuple[str, str]:
    try:
        found = power.status(host, cloud=cloud.layout)
    except CommandError:
        return _OFF, _OFF
    lamp = "hung" if found.is_frozen else "on" if found.is_on else "off"
    return lamp, "on" if found.bmc_is_on else "off"


def _compute_services(cloud: Cloud) -> dict[str, str]:
    with contextlib.suppress(*readiness.NOT_YET):
        return {
            service.host: f"{service.status}, {'forced down' if service.forced_down else service.state}"
            for service in cloud.nova().services.list(binary="nova-compute")
        }
    return {}


def _answers(url: str) -> bool:
    with contextlib.suppress(*readiness.NOT_YET):
        return readiness.answers(url)
    return False
