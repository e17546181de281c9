"""The options of the agent, grouped as in its sample configuration."""

import socket
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from ceilo_gossip.contract.networks import Network

DEFAULT_OPTS = [
    cfg.StrOpt(
        "host",
        default=socket.gethostname(),
        sample_default="<this host's name>",
        help="This host's name: the name Nova knows it by, and its name in every gossip pool.",
    ),
    cfg.StrOpt(
        "role", choices=["compute", "controller"], default="compute", help="What this host is; published as a tag."
    ),
    cfg.StrOpt("state_dir", default="/var/lib/ceilo-gossip", help="Directory of what must survive a restart."),
    cfg.StrOpt(
        "boot_id_file",
        default="/proc/sys/kernel/random/boot_id",
        help="File whose content changes with each boot. Only test machines whose hosts share a kernel change this.",
    ),
]

GOSSIP_OPTS = [
    cfg.StrOpt(
        "profile",
        choices=["lan", "compute", "wan", "local"],
        default="lan",
        help="How fast members are probed and given up. lan, wan and local are memberlist's. compute notices a dead "
        "host in two thirds of the time of lan, for twice the packets, and gives an agent that stands still up after "
        "3.5 s instead of 5. Members of one pool may differ; the quickest decides.",
    ),
    cfg.StrOpt(
        "keyring_file",
        help="File with a JSON array of base64 keys of 16, 24 or 32 bytes, the primary key first. Serf's own format. "
        "It must not be accessible to others (mode 0600, or 0640 with the agent's group).",
    ),
    cfg.BoolOpt(
        "allow_plaintext",
        default=False,
        help="Gossip without encryption. Anybody on the network can then declare hosts dead; for experiments only.",
    ),
]


def gossip_network_opts(network: Network) -> list[cfg.Opt]:
    """Return the options of one pool."""
    return [
        cfg.StrOpt("bind", help=f"ADDRESS:PORT of this host on the {network} network, e.g. 192.0.2.21:7946."),
        cfg.ListOpt(
            "join",
            default=[],
            help=f"ADDRESS:PORT of members of the {network} pool to join. Empty for the very first.",
        ),
        cfg.StrOpt(
            "device",
            help=f"Name of this host's network device on the {network} network, e.g. bond0.30. If set, the pool uses "
            "it alone, whatever the routes say; if not, the address decides.",
        ),
    ]


ELECTORATE_OPTS = [
    cfg.ListOpt(
        "witnesses",
        default=[],
        help="Names of the witnesses, an odd number (3, 5, 7), the same list on every host. Nothing bad is reported "
        "from a network on which a majority of them does not answer.",
    ),
    cfg.FloatOpt(
        "quorum_window", default=5.0, min=1.0, max=60.0, help="An answer of a witness counts so long, seconds."
    ),
    cfg.FloatOpt(
        "ask_interval", default=1.0, min=0.1, max=30.0, help="Witnesses are asked so often while someone is doubted."
    ),
]

HEALTH_OPTS = [
    cfg.FloatOpt(
        "settle_max",
        default=3.0,
        min=0.0,
        max=60.0,
        help="How long a host's first lost network waits for its other networks, so that a power cut is one verdict.",
    ),
    cfg.FloatOpt(
        "absence_grace",
        default=60.0,
        min=1.0,
        max=3600.0,
        help="How long a host that says it is on a network may be missing from its pool before that counts as lost.",
    ),
]

REPORT_OPTS = [
    cfg.StrOpt("project_id", help="Id of the project that owns the Aodh alarms. Without it no event alarm fires."),
    cfg.FloatOpt(
        "repeat_interval", default=30.0, min=1.0, max=3600.0, help="A bad verdict is reported again so often, seconds."
    ),
    cfg.IntOpt("speakers", default=2, min=1, max=7, help="How many members report each verdict."),
    cfg.FloatOpt(
        "sample_interval", default=60.0, min=0.0, max=3600.0, help="Samples are sent so often, seconds; 0 sends none."
    ),
    cfg.IntOpt("outbox_limit", default=10000, min=100, max=1000000, help="Reports kept while the message bus is away."),
]

CONTROL_OPTS = [
    cfg.StrOpt("socket", help="Path of the Unix socket that the ceilo-gossip command asks. Default: in state_dir."),
    cfg.StrOpt(
        "group",
        help="Group whose members may use the socket too, for everything it offers: to change keys and to have the "
        "agent leave as well. Default: nobody but the agent's own user.",
    ),
]

POLLSTER_OPTS = [
    cfg.ListOpt("agents", default=[], help="Hosts whose agents Ceilometer's pollster asks, in this order."),
    cfg.FloatOpt("timeout", default=5.0, min=0.1, max=60.0, help="How long one agent may take to answer, seconds."),
]
POLLSTER_GROUP = "ceilo_gossip"


def gossip_group(network: Network) -> str:
    """Return the name of the group of one pool's options."""
    return f"gossip_{network}"


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """Return every option of the agent by group; oslo.config's generator calls this."""
    return [
        ("DEFAULT", DEFAULT_OPTS),
        ("gossip", GOSSIP_OPTS),
        *((gossip_group(network), gossip_network_opts(network)) for network in Network),
        ("electorate", ELECTORATE_OPTS),
        ("health", HEALTH_OPTS),
        ("report", REPORT_OPTS),
        ("control", CONTROL_OPTS),
    ]


def register(conf: Any) -> None:
    """Register every option of the agent on `conf`, a ConfigOpts."""
    for group, opts in list_opts():
        conf.register_opts(opts, group=None if group == "DEFAULT" else group)
