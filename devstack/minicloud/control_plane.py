"""Starts OpenStack in ctl-1 and on the compute hosts, and says when it is ready.

Everything is started as early as what it needs is there, and only what another part cannot do without is waited for:
on two cores the bring-up is bound by the CPU, and the only art is to keep both busy. Ready means that each part was
seen to do its work (see `readiness`), within a deadline.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from typing import Any, Final

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.client import ask
from minicloud import (
    client,
    endpoints,
    errands,
    readiness,
    services,
    synchronise,
    template,
    tenants,
    units,
)
from minicloud.configuration import render_core
from minicloud.ha_configuration import render_ha
from minicloud.infrastructure_configuration import render_infrastructure
from minicloud.layout import Host
from minicloud.parallel import together
from minicloud.passwords import ADMIN, Passwords
from minicloud.places import Places
from minicloud.readiness import NotReadyError, wait_for
from minicloud.telemetry_configuration import render_telemetry
from minicloud.units import Unit, UnitState

# With both cores busy, a service that usually answers after 20 s may need this long.
TIMEOUT: Final = 180.0

FACT_INTERVAL: Final = 0.5  # Seconds between two looks at a fact that costs the services work.

# Queues whose consumer is the last link of the chain from an event to the webhook, and from a sample to Gnocchi.
QUEUES: Final = ("ceilo_gossip.health.info", "notifications.sample", "alarm.all.sample", "alarming.sample")

Say = Callable[[str], None]


class ControlPlane:
    """The services of one cloud. It uses `parallel` to reach ctl-1's network."""

    def __init__(self, places: Places, say: Say) -> None:
        self._places = places
        self._say = say
        self._passwords = Passwords.draw()

    @property
    def passwords(self) -> Passwords:
        """The passwords in force, once `prepare` has returned."""
        return self._passwords

    def prepare(self) -> bool:
        """Lay out files for a run, from the template if there is one; return whether databases are still to be made."""
        places = self._places
        fresh = not places.complete.exists() and not template.restore(places)
        if fresh:
            self._passwords.store(places.passwords)
        else:
            self._passwords = Passwords.load(places.passwords)
        render_infrastructure(places, self._passwords)
        render_core(places, self._passwords)
        render_telemetry(places, self._passwords)
        for host in places.compute_hosts:
            places.nova_compute_state(host).mkdir(parents=True, exist_ok=True)
        return fresh

    def make_databases(self) -> None:
        """Do what is done once for a template, and keep it."""
        places, passwords = self._places, self._passwords
        self._say("making the databases, once for this set of releases")
        self._install_database()
        self.start([services.database(places)])
        self._together([self._wait_for_database])
        synchronise.synchronise(places, passwords, self.start, self._together)
        # MariaDB's files are whole only when it has ended; what talks to it ends first, so that nobody retries.
        for name in (*synchronise.STARTED, services.DATABASE):
            errands.end(places, name)
        places.complete.touch()
        template.save(places)
        self._say("databases made and kept as a template")

    def start_services(self) -> None:
        """Start everything, in the order of need."""
        places = self._places
        render_ha(places, self._passwords, project_id=places.project_id.read_text())
        self.start([services.message_bus(places), services.database(places), services.web(places, "keystone")])
        self._teach_ceilometer()
        self._together([self._wait_for_database])
        first = ("nova", "neutron", "placement")
        self.start(services.web(places, name) for name in first)
        self._together([self._wait_for_message_bus])
        workers = {unit.name: unit for unit in services.workers(places)}
        self.start(workers.pop(name) for name in ("nova-conductor", "nova-scheduler"))
        self._together([self._wait_for_keystone])
        for host in places.compute_hosts:
            self.start([services.nova_compute(places, host)], host=host.name)
        self.start(services.web(places, name) for name in ("glance", "gnocchi", "aodh"))
        self.start(workers.values())
        self._together([self._prepare_remediation])
        self.start(services.remediation(places))
        for host in places.layout.hosts:
            self.start([services.agent(places, host)], host=host.name)
            units.set_boot(host.name, self._boot(host), cloud=places.layout)

    def wait_until_ready(self) -> None:
        """Return when all of it was seen to work, and the demo project is furnished. Raises NotReadyError."""
        facts: list[tuple[str, Callable[[], object]]] = [
            (endpoint.name, lambda url=endpoint.url: readiness.answers(url))  # type: ignore[misc]
            for endpoint in endpoints.ALL
        ]
        facts += [
            ("the webhook", self._webhook_answers),
            ("gossip", self._everyone_sees_everyone),
            ("the telemetry chain", lambda: not readiness.unconsumed(self._passwords, QUEUES)),
            ("every compute service", self._nova_is_whole),
        ]
        tasks = [partial(self._await, what, fact, FACT_INTERVAL) for what, fact in facts]
        try:
            self._together([*tasks, self._furnish])
        except NotReadyError as error:
            raise NotReadyError(error.what, TIMEOUT, f"{error.last}; {self._unwell()}") from error

    def _furnish(self) -> None:
        for endpoint in (endpoints.GLANCE, endpoints.NEUTRON, endpoints.NOVA):
            wait_for(endpoint.name, partial(readiness.answers, endpoint.url), timeout=TIMEOUT)
        passwords = self._passwords
        tenants.furnish(client.openstack_client(passwords), client.nova_client(passwords))
        self._say("the demo project is furnished")

    def _unwell(self) -> str:
        """Return what a person wants to see first: the units that ended by themselves, and where their logs are."""
        layout = self._places.layout
        ended = [
            f"{unit.name} on {host.name} was started {unit.starts} times"
            for host in layout.hosts
            for unit in units.list_units(host.name, cloud=layout).values()
            if unit.starts > 1
        ]
        return f"{', '.join(ended) or 'no unit has ended'}; logs are in {self._places.log}"

    def start(self, wanted: Iterable[Unit], *, host: str = endpoints.CONTROL_HOST) -> None:
        """Start those units of a host that are not running yet."""
        known = units.list_units(host, cloud=self._places.layout)
        for unit in wanted:
            if unit.name not in known or known[unit.name].state is UnitState.ENDED:
                units.start(host, unit, cloud=self._places.layout)

    def _boot(self, host: Host) -> tuple[Unit, ...]:
        """Return what `host` starts when it is switched on again."""
        agent = services.agent(self._places, host)
        if host.name == endpoints.CONTROL_HOST:
            return (agent, *services.control_plane(self._places))
        return (agent,) if host.is_controller else (agent, services.nova_compute(self._places, host))

    def _teach_ceilometer(self) -> None:
        places = self._places
        errands.run(
            places,
            "ceilo-gossip-install",
            "ceilo-gossip-ceilometer",
            "install",
            f"--ceilometer-etc={places.own_definitions}",
            f"--output={places.installed_definitions}",
            # The samples' project is that of the alarms, not Gnocchi's own, which the publisher would leave out.
            "--gnocchi-url=gnocchi://?enable_filter_project=false",
            timeout=TIMEOUT,
        )

    def _prepare_remediation(self) -> None:
        self._await("aodh", lambda: readiness.answers(endpoints.AODH.url))
        file = f"--config-file={self._places.remediation / 'remediation.conf'}"
        for name, *verb in (("remediation-db", "db", "upgrade"), ("remediation-matrix", "matrix", "apply")):
            errands.run(self._places, name, "remediation-manage", file, *verb, timeout=TIMEOUT)

    def _install_database(self) -> None:
        data = self._places.database
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        errands.run(
            self._places,
            "mariadb-install",
            "/usr/bin/mariadb-install-db",
            "--no-defaults",
            "--user=root",
            f"--datadir={data}",
            "--auth-root-authentication-method=socket",
            "--skip-test-db",
            timeout=TIMEOUT,
        )

    def _wait_for_database(self) -> None:
        self._await("MariaDB", lambda: readiness.database_answers(self._passwords))

    def _wait_for_message_bus(self) -> None:
        self._await("RabbitMQ", lambda: readiness.message_bus_answers(self._passwords))

    def _wait_for_keystone(self) -> None:
        self._await("keystone", lambda: readiness.answers(endpoints.KEYSTONE.url))

    def _together(self, tasks: Sequence[Callable[[], object]]) -> None:
        together(self._places.layout.host(endpoints.CONTROL_HOST).namespace, tasks)

    def _await(self, what: str, fact: Callable[[], object], interval: float = readiness.POLL_INTERVAL) -> None:
        wait_for(what, fact, timeout=TIMEOUT, interval=interval)
        self._say(f"{what} is ready")

    @cached_property
    def _session(self) -> Any:
        return client.session(self._passwords, project=ADMIN)

    @cached_property
    def _nova(self) -> Any:
        # From 2.88 on a list of hypervisors asks each of them for its uptime, over the bus.
        return client.nova_client(self._passwords, project=ADMIN, version="2.87")

    def _nova_is_whole(self) -> bool:
        nova = self._nova
        up = {(service.binary, service.host) for service in nova.services.list() if service.state == "up"}
        computes = {host.name for host in self._places.compute_hosts}
        wanted = {("nova-compute", name) for name in computes}
        wanted |= {("nova-conductor", endpoints.CONTROL_HOST), ("nova-scheduler", endpoints.CONTROL_HOST)}
        # A compute host can be scheduled to once it is mapped to its cell, and Placement knows what it has.
        mapped = {found.hypervisor_hostname for found in nova.hypervisors.list()}
        return wanted <= up and computes <= mapped and computes <= self._with_room()

    def _with_room(self) -> set[str]:
        """Return the hosts that Placement would give an instance to."""
        found = self._session.get(
            "/resource_providers?resources=VCPU:1,MEMORY_MB:64,DISK_GB:1",
            endpoint_filter={"service_type": "placement"},
            headers={"OpenStack-API-Version": "placement 1.4"},  # The first that knows `resources`.
        )
        return {provider["name"] for provider in found.json()["resource_providers"]}

    def _webhook_answers(self) -> bool:
        url = f"https://{endpoints.ADDRESS}:{endpoints.WEBHOOK_PORT}/"
        return readiness.answers(url, certificate=self._places.webhook_certificate)

    def _everyone_sees_everyone(self) -> bool:
        hosts = {host.name for host in self._places.layout.hosts}
        wanted = {(str(network), name) for network in Network for name in hosts}
        for host in self._places.layout.hosts:
            seen = ask(self._places.agent_socket(host), "members")["members"]
            if {(member["network"], member["host"]) for member in seen if member["state"] == "alive"} != wanted:
                return False
        return True
