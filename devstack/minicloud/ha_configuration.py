"""What ceilo-gossip reads: the agents of all hosts, and the remediator of ctl-1.

Nothing here is special to the minicloud but shorter times, so that a demo need not wait: bad verdicts are repeated
every 5 s, and rows of the matrix settle within 10 s. An operator's own files look just so.
"""

import base64
import json
import secrets
from typing import Any, Final

import yaml

from ceilo_gossip.contract.networks import Network
from minicloud import certificate, endpoints, ini
from minicloud.configuration import DURABLE, credentials
from minicloud.layout import MANAGEMENT, STORAGE, TUNNEL, Host
from minicloud.passwords import Passwords, write_private
from minicloud.places import Places

GOSSIP_PORT: Final = 7946
REPEAT_INTERVAL: Final = 5.0  # Seconds between reports of a verdict that stays bad.
SAMPLE_INTERVAL: Final = 30.0  # Seconds; Gnocchi then works through eight hosts' samples in 3 % of a core.
STORAGE_SETTLE: Final = 5  # Seconds, for rows in which storage is lost.
TUNNEL_SETTLE: Final = 10  # Seconds, for the other rows in which the tunnel is lost.
WEBHOOK_USER: Final = "aodh"
KEY_BYTES: Final = 32  # AES-256.

_POOLS: Final = {Network.MANAGEMENT: MANAGEMENT, Network.STORAGE: STORAGE, Network.TUNNEL: TUNNEL}


def render_ha(places: Places, passwords: Passwords, *, project_id: str) -> None:
    """Write the files of the agents and the remediator; `project_id` owns the alarms.

    What must be the same while anything runs, keys and the certificate, is made once for a run.
    """
    if not places.keyring.exists():
        write_private(places.keyring, json.dumps([base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()]))
    for host in places.layout.hosts:
        write_private(places.agent_file(host), ini.render(_agent(host, places, passwords, project_id)))
    etc = places.remediation
    write_private(etc / "webhook.password", passwords.webhook + "\n")
    write_private(etc / "keystone.password", passwords.users["remediation"] + "\n")
    if not places.webhook_certificate.exists():
        certificate.make(
            name=endpoints.CONTROL_HOST,
            address=endpoints.ADDRESS,
            certificate=places.webhook_certificate,
            key=etc / "webhook.key",
        )
    write_private(etc / "bmc.yaml", yaml.safe_dump(_inventory(places), sort_keys=False))
    write_private(etc / "matrix.yaml", yaml.safe_dump(_matrix(places), sort_keys=False))
    write_private(etc / "remediation.conf", ini.render(_remediation(places, passwords)))


def _agent(host: Host, places: Places, passwords: Passwords, project_id: str) -> ini.Sections:
    pools: dict[str, dict[str, ini.Value]] = {}
    for network, wire in _POOLS.items():
        join = [f"{witness.address(wire)}:{GOSSIP_PORT}" for witness in places.controllers if witness != host]
        pools[f"gossip_{network}"] = {"bind": f"{host.address(wire)}:{GOSSIP_PORT}", "join": ",".join(join)}
    return ini.merge(
        {
            "DEFAULT": {
                "host": host.name,
                "role": "controller" if host.is_controller else "compute",
                "state_dir": str(places.agent_state(host)),
                "transport_url": passwords.transport_url,
                "log_file": str(places.log / f"ceilo-gossip-agent-{host.name}.log"),
            },
            "gossip": {"keyring_file": str(places.keyring)},
            "electorate": {"witnesses": ",".join(witness.name for witness in places.controllers)},
            "report": {
                "project_id": project_id,
                "repeat_interval": REPEAT_INTERVAL,
                "sample_interval": SAMPLE_INTERVAL,
            },
        },
        pools,
        DURABLE,
    )


def _remediation(places: Places, passwords: Passwords) -> ini.Sections:
    etc = places.remediation

    def login(section: str) -> ini.Sections:
        options = dict(credentials(section, "remediation", passwords)[section])
        del options["password"]
        return {section: {**options, "password_file": str(etc / "keystone.password"), "valid_interfaces": "internal"}}

    return ini.merge(
        {
            "DEFAULT": {"transport_url": passwords.transport_url, "use_stderr": True},
            "database": {"connection": places.incidents},
            "matrix": {"file": str(etc / "matrix.yaml")},
            "webhook": {
                "bind": endpoints.ADDRESS,
                "port": endpoints.WEBHOOK_PORT,
                "certificate": str(places.webhook_certificate),
                "key": str(etc / "webhook.key"),
                "user": WEBHOOK_USER,
                "password_file": str(etc / "webhook.password"),
                "public_url": f"https://{endpoints.ADDRESS}:{endpoints.WEBHOOK_PORT}",
            },
            "confirm": {"witnesses": ",".join(witness.name for witness in places.controllers)},
            "fencing": {"inventory_file": str(etc / "bmc.yaml")},
            "engine": {"host": endpoints.CONTROL_HOST},
        },
        login("nova"),
        login("aodh"),
        DURABLE,
    )


def _inventory(places: Places) -> dict[str, dict[str, str]]:
    known = json.loads(places.layout.directories.bmc_credentials.read_text())
    write_private(places.remediation / "bmc.password", known["password"] + "\n")
    return {
        host.name: {
            "driver": "ipmi",
            "address": host.bmc_address,
            "user": known["username"],
            "password_file": str(places.remediation / "bmc.password"),
        }
        for host in places.compute_hosts
    }


def _matrix(places: Places) -> Any:
    """Return the shipped matrix with shorter settle times; nothing else differs."""
    matrix = yaml.safe_load((places.project / "etc" / "remediation" / "matrix.yaml").read_text())
    for row in matrix["networks"]:
        if row["when"]["storage"] == "down":
            row["settle"] = min(row.get("settle", 0), STORAGE_SETTLE)
        elif row["when"]["tunnel"] == "down":
            row["settle"] = min(row.get("settle", 0), TUNNEL_SETTLE)
    return matrix
