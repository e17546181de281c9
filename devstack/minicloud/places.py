"""Where the control plane keeps its files, below the directories that `layout` names."""

import os
from dataclasses import dataclass
from pathlib import Path

from minicloud.layout import Host, Layout
from minicloud.passwords import Passwords


@dataclass(frozen=True, slots=True)
class Places:
    """Files and directories of one run.

    layout   the cloud this run brings up
    venv     the virtual environment that holds all services
    project  the clone this code runs from
    """

    layout: Layout
    venv: Path
    project: Path

    @property
    def run(self) -> Path:
        return self.layout.directories.run

    @property
    def etc(self) -> Path:
        return self.layout.directories.etc

    @property
    def log(self) -> Path:
        return self.layout.directories.log

    @property
    def state(self) -> Path:
        """What services keep for themselves in this run: locks, sockets, RabbitMQ's tables."""
        return self.run / "state"

    @property
    def persistent(self) -> Path:
        """What a template is a copy of: databases, keys, Gnocchi's files, passwords."""
        return self.run / "persistent"

    @property
    def passwords(self) -> Path:
        return self.persistent / "passwords.json"

    @property
    def complete(self) -> Path:
        """Exists once the databases were made, or restored, to the end."""
        return self.persistent / "complete"

    @property
    def incident_database(self) -> str:
        """The URL of the remediator's database; it holds a password. Raises FileNotFoundError before the first `up`."""
        return Passwords.load(self.passwords).database_url("remediation")

    @property
    def openrc(self) -> Path:
        """Credentials for a shell inside ctl-1's network."""
        return self.etc / "openrc"

    @property
    def clouds_yaml(self) -> Path:
        """Credentials and endpoints for a shell outside."""
        return self.etc / "clouds.yaml"

    @property
    def database(self) -> Path:
        return self.persistent / "mariadb"

    @property
    def gnocchi(self) -> Path:
        return self.persistent / "gnocchi"

    @property
    def images(self) -> Path:
        """Glance's stores."""
        return self.run / "images"

    @property
    def neutron_plugin(self) -> Path:
        """The directory by which Neutron finds our mechanism driver's entry point."""
        return self.etc / "neutron" / "plugin"

    @property
    def own_definitions(self) -> Path:
        """Ceilometer's own definition files, which `installed_definitions` are merged from."""
        return self.etc / "ceilometer" / "own"

    @property
    def installed_definitions(self) -> Path:
        """Where `ceilo-gossip-ceilometer install` writes what Ceilometer must know about our event and meters."""
        return self.etc / "ceilometer" / "installed"

    @property
    def keyring(self) -> Path:
        """The keys of the gossip pools; on metal each host would have a copy."""
        return self.etc / "keyring.json"

    @property
    def remediation(self) -> Path:
        """The remediator's configuration."""
        return self.etc / "remediation"

    @property
    def incidents(self) -> str:
        """The URL of the remediator's database: the default kind, a file."""
        return f"sqlite:///{self.state / 'remediation.sqlite'}"

    @property
    def lab_file(self) -> Path:
        """The engine's additional configuration in the one lab test that leaves fencing out."""
        return self.remediation / "lab.conf"

    @property
    def project_id(self) -> Path:
        """Holds the id of the project that owns the alarms."""
        return self.persistent / "project_id"

    @property
    def webhook_certificate(self) -> Path:
        return self.remediation / "webhook.crt"

    @property
    def packages(self) -> Path:
        """The virtual environment's site-packages."""
        return next((self.venv / "lib").glob("python3.*")) / "site-packages"

    def program(self, name: str) -> str:
        """Return the path of a console script of the virtual environment."""
        return str(self.venv / "bin" / name)

    @property
    def controllers(self) -> tuple[Host, ...]:
        """The electorate, too."""
        return tuple(host for host in self.layout.hosts if host.is_controller)

    @property
    def compute_hosts(self) -> tuple[Host, ...]:
        return tuple(host for host in self.layout.hosts if not host.is_controller)

    def nova_compute_file(self, host: Host) -> Path:
        """Return the configuration of nova-compute on `host`."""
        return self.etc / host.name / "nova.conf"

    def nova_compute_state(self, host: Host) -> Path:
        """Return where nova-compute keeps its state: the host's own disk, which survives power cuts."""
        return host.directory / "nova"

    def agent_file(self, host: Host) -> Path:
        """Return the configuration of the gossip agent of `host`."""
        return self.etc / host.name / "ceilo-gossip.conf"

    def agent_state(self, host: Host) -> Path:
        """Return the agent's state directory, on the host's own disk."""
        return host.directory / "ceilo-gossip"

    def agent_socket(self, host: Host) -> Path:
        """Return where the agent of `host` can be asked."""
        return self.agent_state(host) / "control.sock"


def find(layout: Layout, *, venv: Path) -> Places:
    """Return the places of `layout`'s cloud; the clone is the one this file lies in."""
    return Places(layout, Path(os.path.normpath(venv)), Path(__file__).resolve().parents[2])
