"""The first time: empty databases become those that every later bring-up starts from.

Each service's own tool makes its tables. The chains are independent of each other and share the machine's cores; within
a chain one step needs the one before.
"""

from collections.abc import Callable, Iterable, Sequence
from threading import Event
from typing import Final

from minicloud import catalog, client, endpoints, errands, readiness, services
from minicloud.passwords import ADMIN, Passwords
from minicloud.places import Places
from minicloud.telemetry_configuration import SACKS
from minicloud.units import Unit

# Nova's and Neutron's migrations take a minute of CPU together; this allows for a slow, busy machine.
TIMEOUT: Final = 400.0


Together = Callable[[Sequence[Callable[[], object]]], None]

# The services that this starts and leaves running.
STARTED: Final = ("keystone-api", "gnocchi-api")


def synchronise(
    places: Places, passwords: Passwords, start: Callable[[Iterable[Unit]], None], together: Together
) -> None:
    """Fill the databases. MariaDB must answer. Raises ErrandError or NotReadyError.

    `together` runs tasks at once in ctl-1's network; `start` starts units in ctl-1.
    """
    catalogued = Event()

    def identity() -> None:
        _keystone(places, passwords)
        start([services.web(places, "keystone")])
        readiness.wait_for("keystone", lambda: readiness.answers(endpoints.KEYSTONE.url), timeout=TIMEOUT)
        project_id = catalog.fill(client.openstack_client(passwords, project=ADMIN), passwords)
        places.project_id.write_text(project_id)
        catalogued.set()

    def rest() -> None:
        _gnocchi(places)
        start([services.web(places, "gnocchi")])
        _small(places)
        readiness.wait_for("the catalog", catalogued.is_set, timeout=TIMEOUT)
        _types(places, passwords)

    together((identity, lambda: _nova_and_neutron(places), rest))


def _keystone(places: Places, passwords: Passwords) -> None:
    file = f"--config-file={places.etc / 'keystone' / 'keystone.conf'}"
    keys = places.persistent / "keys"
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    errands.run(places, "keystone-db", "keystone-manage", file, "db_sync", timeout=TIMEOUT)
    user = ("--keystone-user=root", "--keystone-group=root")
    errands.run(places, "keystone-keys", "keystone-manage", file, "fernet_setup", *user, timeout=TIMEOUT)
    url = endpoints.KEYSTONE.url
    errands.run(
        places,
        "keystone-bootstrap",
        "keystone-manage",
        file,
        "bootstrap",
        f"--bootstrap-public-url={url}",
        f"--bootstrap-internal-url={url}",
        f"--bootstrap-admin-url={url}",
        f"--bootstrap-region-id={endpoints.REGION}",
        timeout=TIMEOUT,
        extra={"OS_BOOTSTRAP_PASSWORD": passwords.users[ADMIN]},
    )


def _nova_and_neutron(places: Places) -> None:
    extra = {"PYTHONPATH": f"{places.neutron_plugin}:{places.project / 'devstack'}"}
    nova = f"--config-file={places.etc / 'nova' / 'nova.conf'}"
    errands.run(places, "nova-db", "python", "-m", "minicloud.nova_sync", nova, timeout=TIMEOUT, extra=extra)
    neutron = f"--config-file={places.etc / 'neutron' / 'neutron.conf'}"
    errands.run(places, "neutron-db", "neutron-db-manage", neutron, "upgrade", "heads", timeout=TIMEOUT, extra=extra)


def _gnocchi(places: Places) -> None:
    places.gnocchi.mkdir(parents=True, exist_ok=True)
    (places.state / "gnocchi-coordination").mkdir(parents=True, exist_ok=True)
    file = f"--config-file={places.etc / 'gnocchi' / 'gnocchi.conf'}"
    errands.run(places, "gnocchi-db", "gnocchi-upgrade", file, f"--sacks-number={SACKS}", timeout=TIMEOUT)


def _small(places: Places) -> None:
    etc = places.etc
    for name, *command in (
        ("placement-db", "placement-manage", f"--config-file={etc / 'placement' / 'placement.conf'}", "db", "sync"),
        ("glance-db", "glance-manage", f"--config-file={etc / 'glance' / 'glance-api.conf'}", "db_sync"),
        ("aodh-db", "aodh-dbsync", f"--config-file={etc / 'aodh' / 'aodh.conf'}"),
    ):
        errands.run(places, name, *command, timeout=TIMEOUT)


def _types(places: Places, passwords: Passwords) -> None:
    readiness.wait_for("gnocchi", lambda: readiness.answers(endpoints.GNOCCHI.url), timeout=TIMEOUT)
    file = f"--config-file={places.etc / 'ceilometer' / 'ceilometer.conf'}"
    errands.run(places, "ceilometer-types", "ceilometer-upgrade", file, timeout=TIMEOUT)
    login = services.login(passwords.users["ceilometer"], user="ceilometer", project="service")
    errands.run(places, "ceilo-gossip-types", "ceilo-gossip-ceilometer", "gnocchi", timeout=TIMEOUT, extra=login)
