"""The plan of the pocket cloud: which hosts and networks exist, their addresses, names and directories.

Everything here is derived from two environment variables and constants; nothing is looked up or created.

* `MINICLOUD_HOME` (default /var/cache/ceilo-gossip): the directory everything is kept in.
* `MINICLOUD_PREFIX` (default "mc"): what the names of namespaces and control groups start with. These names are global
  to the machine, so two clouds on one machine need two prefixes; addresses may be the same, as each cloud has its own
  switch.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOME = Path("/var/cache/ceilo-gossip")
DEFAULT_PREFIX = "mc"

# Without a dash, so that the names of one cloud are never a beginning of another's.
_PREFIX_PATTERN = re.compile(r"[a-z][a-z0-9]{0,7}")


@dataclass(frozen=True, slots=True)
class Network:
    """One network of the cloud: a bridge in the switch and an interface in every host that is on it."""

    name: str
    interface: str
    """What the interface is called inside a host; the bridge in the switch is called `name`."""
    subnet: str
    """The first three octets."""

    def address(self, octet: int) -> str:
        """Return the address of the station with this last octet."""
        return f"{self.subnet}.{octet}"


OOB = Network("oob", "oob", "10.91.0")
MANAGEMENT = Network("management", "mgmt", "10.91.1")
STORAGE = Network("storage", "stor", "10.91.2")
TUNNEL = Network("tunnel", "tun", "10.91.3")
NETWORKS = (OOB, MANAGEMENT, STORAGE, TUNNEL)
HOST_NETWORKS = (MANAGEMENT, STORAGE, TUNNEL)
PREFIX_LENGTH = 24

NAS_OCTET = 100
STORAGE_PORT = 3260
"""Where the shared storage listens, on `nas`' address; the port that iSCSI has."""
BMC_OCTET_OFFSET = 100
BMC_PORT = 623

CONTROLLERS = 3
COMPUTE_HOSTS = 5


def network(name: str) -> Network:
    """Return the network with this name, which is the bridge's; KeyError if there is none."""
    return {each.name: each for each in NETWORKS}[name]


@dataclass(frozen=True, slots=True)
class Station:
    """A network namespace and what it is plugged into: a host, a host's BMC, or the storage server."""

    name: str
    """Of the station within the cloud; "cmp-1", "cmp-1-bmc", "nas"."""
    namespace: str
    plugs: Mapping[Network, str]
    """The station's address on each network it is on."""

    def port(self, on: Network) -> str:
        """Return the name of the switch's port that the station is plugged into."""
        return f"{self.name}-{on.interface}"


@dataclass(frozen=True, slots=True)
class Directories:
    """Where things are kept. `run` goes when the cloud is taken down; `venv` and `template` stay."""

    home: Path

    @property
    def venv(self) -> Path:
        return self.home / "venv"

    @property
    def template(self) -> Path:
        return self.home / "template"

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def log(self) -> Path:
        return self.run / "log"

    @property
    def kept_logs(self) -> Path:
        """The logs of the last run that went wrong."""
        return self.home / "kept-logs"

    @property
    def etc(self) -> Path:
        return self.run / "etc"

    @property
    def disks(self) -> Path:
        """The instances' disks, one file each, written by the storage server alone."""
        return self.run / "disks"

    @property
    def bmc_credentials(self) -> Path:
        """JSON {username, password} that every BMC accepts; mode 0600."""
        return self.run / "bmc-credentials.json"


@dataclass(frozen=True, slots=True)
class Host:
    """A host: its stations on the networks, its control group, and its directory."""

    name: str
    octet: int
    prefix: str
    directory: Path
    """What the host and its chassis keep. Survives power cuts; see `volatile` for what does not."""

    @property
    def is_controller(self) -> bool:
        return self.name.startswith("ctl-")

    @property
    def namespace(self) -> str:
        return f"{self.prefix}-{self.name}"

    @property
    def bmc_namespace(self) -> str:
        return f"{self.namespace}-bmc"

    @property
    def group(self) -> str:
        """The control group (version 2) that everything running on the host is born in."""
        return self.namespace

    @property
    def chassis_group(self) -> str:
        """The control group of what is outside the host's power: chassis and BMC."""
        return f"{self.namespace}-chassis"

    def address(self, on: Network) -> str:
        return on.address(self.octet)

    @property
    def bmc_address(self) -> str:
        return OOB.address(BMC_OCTET_OFFSET + self.octet)

    @property
    def networks(self) -> tuple[Network, ...]:
        return NETWORKS if self.is_controller else HOST_NETWORKS

    @property
    def station(self) -> Station:
        return Station(self.name, self.namespace, {each: self.address(each) for each in self.networks})

    @property
    def bmc_station(self) -> Station:
        return Station(f"{self.name}-bmc", self.bmc_namespace, {OOB: self.bmc_address})

    @property
    def init_socket(self) -> Path:
        """Where the host's init takes commands (see `units`)."""
        return self.directory / "init.sock"

    @property
    def chassis_socket(self) -> Path:
        return self.directory / "chassis.sock"

    @property
    def watchdog(self) -> Path:
        """The host's hardware watchdog: behaves as /dev/watchdog."""
        return self.directory / "watchdog"

    @property
    def boot_id(self) -> Path:
        """A UUID drawn at each power on; inside the host also at /proc/sys/kernel/random/boot_id."""
        return self.directory / "boot_id"

    @property
    def boot_units(self) -> Path:
        """JSON {units: [...]}: what the host's init starts at each boot; mode 0600."""
        return self.directory / "boot.json"

    @property
    def events(self) -> Path:
        """The chassis' journal: JSON lines."""
        return self.directory / "events.jsonl"

    @property
    def volatile(self) -> Path:
        """The host's memory, as it were: emptied at each power on."""
        return self.directory / "volatile"

    @property
    def guests(self) -> Path:
        """Which instances the host's hypervisor knows, one JSON file each; survives power cuts, as libvirt's do."""
        return self.directory / "guests"


@dataclass(frozen=True, slots=True)
class Layout:
    """One pocket cloud. Raises ValueError for a prefix that could not be kept apart from another's."""

    prefix: str
    directories: Directories

    def __post_init__(self) -> None:
        if not _PREFIX_PATTERN.fullmatch(self.prefix):
            raise ValueError(f"MINICLOUD_PREFIX {self.prefix!r} is not 1 to 8 letters and digits, a letter first")

    @property
    def hosts(self) -> tuple[Host, ...]:
        names = [(f"ctl-{n}", 10 + n) for n in range(1, CONTROLLERS + 1)]
        names += [(f"cmp-{n}", 20 + n) for n in range(1, COMPUTE_HOSTS + 1)]
        return tuple(Host(name, octet, self.prefix, self.directories.run / "hosts" / name) for name, octet in names)

    def host(self, name: str) -> Host:
        """Return the host with this name; KeyError if there is none."""
        return {host.name: host for host in self.hosts}[name]

    @property
    def switch(self) -> str:
        """The namespace that holds the bridges."""
        return f"{self.prefix}-switch"

    @property
    def nas(self) -> Station:
        return Station("nas", f"{self.prefix}-nas", {STORAGE: STORAGE.address(NAS_OCTET)})

    @property
    def stations(self) -> tuple[Station, ...]:
        """Everything that is plugged into the switch."""
        return (self.nas, *(station for host in self.hosts for station in (host.station, host.bmc_station)))

    @property
    def namespaces(self) -> tuple[str, ...]:
        return (self.switch, *(station.namespace for station in self.stations))

    def group(self, name: str) -> str:
        """Return the control group of a service that belongs to no host, such as "nas"."""
        return f"{self.prefix}-{name}"


def current(environ: Mapping[str, str] | None = None) -> Layout:
    """Return the cloud that the environment names."""
    environ = os.environ if environ is None else environ
    home = Path(environ.get("MINICLOUD_HOME") or DEFAULT_HOME)
    return Layout(environ.get("MINICLOUD_PREFIX") or DEFAULT_PREFIX, Directories(home.absolute()))
