"""The options of remediation, as oslo.config knows them; what they mean together is decided in `settings`."""

import itertools
import socket
from typing import Any, Final

from keystoneauth1 import loading
from oslo_config import cfg

DEFAULT_CONFIG_FILE: Final = "/etc/ceilo-gossip/remediation.conf"

DATABASE: Final = [
    cfg.StrOpt(
        "connection",
        default="sqlite:////var/lib/ceilo-gossip/remediation.sqlite",
        secret=True,
        help="SQLAlchemy URL of the database of incidents, shared by remediation-api and remediation-engine.",
    ),
]

MATRIX: Final = [
    cfg.StrOpt(
        "file",
        default="/etc/ceilo-gossip/matrix.yaml",
        help="The decision matrix. remediation-api reads it again on SIGHUP.",
    ),
]

WEBHOOK: Final = [
    cfg.StrOpt("bind", default="0.0.0.0", help="Address on which the webhook listens."),  # noqa: S104  (a help default)
    cfg.PortOpt("port", default=8780, help="Port on which the webhook listens."),
    cfg.StrOpt("certificate", help="File with the TLS certificate, and its chain, in PEM."),
    cfg.StrOpt("key", help="File with the private key of `certificate`, in PEM."),
    cfg.BoolOpt(
        "allow_plaintext",
        default=False,
        help="Serve without TLS. The password then crosses the network in clear: for a TLS proxy in front, or a lab.",
    ),
    cfg.StrOpt("user", default="aodh", help="The user name with which Aodh authenticates itself."),
    cfg.StrOpt(
        "password_file",
        help="File whose first line is the password with which Aodh authenticates itself. Refused when readable by "
        "all users. `remediation-manage matrix apply` puts it into the alarms' action URLs.",
    ),
    cfg.StrOpt(
        "public_url",
        help="Where Aodh reaches the webhook, as in https://controller.example.org:8780; without user and password.",
    ),
    cfg.IntOpt(
        "threads",
        default=16,
        help="Threads that answer calls. Aodh's notifier has 64 workers; each call is answered in milliseconds.",
    ),
]

CONFIRM: Final = [
    cfg.ListOpt(
        "witnesses",
        default=[],
        help="The electorate: names of the 3, 5 or 7 hosts whose agents are asked before a host is fenced.",
    ),
    cfg.FloatOpt("timeout", default=2.0, help="Seconds within which each witness must answer."),
]

FENCING: Final = [
    cfg.StrOpt("inventory_file", help="File that tells for each host how to reach its BMC. Not readable by others."),
    cfg.FloatOpt(
        "operation_deadline",
        default=10.0,
        help="Seconds after which one operation on a BMC is killed; the host's power is then unknown, never off. A "
        "BMC that is a black hole is noticed by pyghmi after 4 to 6 s.",
    ),
    cfg.ListOpt("ladder", default=["ipmi"], help="Fencing drivers, in the order in which they are tried."),
]

ENGINE: Final = [
    cfg.StrOpt(
        "host",
        default=socket.gethostname(),
        sample_default="controller-1",
        help="Nova's name of the host this engine runs on: its name in leases, and the one host it never fences.",
    ),
    cfg.FloatOpt("poll_interval", default=0.25, help="Seconds between two looks for incidents that need a step."),
    cfg.FloatOpt(
        "lease",
        default=30.0,
        help="Seconds for which an engine owns an incident it claimed; after a crash another engine waits this long.",
    ),
    cfg.IntOpt("parallel_incidents", default=8, help="Incidents carried at the same time."),
    cfg.IntOpt("parallel_evacuations", default=4, help="Instances of one host evacuated together."),
    cfg.IntOpt("evacuation_attempts", default=3, help="Evacuate calls made for one instance, at most."),
    cfg.FloatOpt(
        "evacuation_timeout",
        default=600.0,
        help="Seconds after which an instance that is not active elsewhere counts as failed and a person is told.",
    ),
    cfg.BoolOpt(
        "lab_skip_fencing",
        default=False,
        help="Leaves fencing out on purpose, for the lab's proof that the disk checker sees a double writer. Destroys "
        "data on a real cloud; refused unless the environment variable CEILO_GOSSIP_LAB is 1.",
    ),
]

GUARDS: Final = [
    cfg.IntOpt(
        "storm_hosts",
        default=3,
        help="So many hosts losing the same network within `storm_window` are an outage of that network: hold.",
    ),
    cfg.FloatOpt("storm_window", default=60.0, help="Seconds that `storm_hosts` looks back."),
]

KEYSTONE: Final = [
    cfg.StrOpt(
        "password_file",
        help="File whose first line is the password, instead of `password`. Refused when readable by all users.",
    ),
]

# Groups in which every option is ours, so that an unknown one is a spelling mistake.
OWN_GROUPS: Final[dict[str, list[Any]]] = {
    "matrix": MATRIX,
    "webhook": WEBHOOK,
    "confirm": CONFIRM,
    "fencing": FENCING,
    "engine": ENGINE,
    "guards": GUARDS,
}
KEYSTONE_GROUPS: Final = ("aodh", "nova")


def register(conf: cfg.ConfigOpts) -> None:
    """Declare every option of remediation to `conf`; may be called twice."""
    conf.register_opts(DATABASE, group="database")
    for group, options in OWN_GROUPS.items():
        conf.register_opts(options, group=group)
    for group in KEYSTONE_GROUPS:
        loading.register_auth_conf_options(conf, group)
        loading.register_session_conf_options(conf, group)
        loading.register_adapter_conf_options(conf, group)
        conf.register_opts(KEYSTONE, group=group)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the options by group, for oslo-config-generator; the lab's hidden option is left out."""
    shown: list[tuple[str, list[Any]]] = [("database", DATABASE)]
    for group, options in OWN_GROUPS.items():
        shown.append((group, [option for option in options if not option.name.startswith("lab_")]))
    for group in KEYSTONE_GROUPS:
        parts = itertools.chain(
            loading.get_auth_common_conf_options(),
            loading.get_auth_plugin_conf_options("password"),
            loading.get_session_conf_options(),
            loading.get_adapter_conf_options(include_deprecated=False),
            KEYSTONE,
        )
        shown.append((group, list(parts)))
    return shown
