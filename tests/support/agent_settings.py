"""Settings of an agent, as a configuration file would give them."""

import pathlib
from typing import Any

from ceilo_gossip.conf.settings import AgentSettings, PoolSettings
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.quorum import QuorumSettings
from ceilo_gossip.health.settings import AnnouncerSettings
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.wire.address import Address
from tests.support.judging import WITNESSES


def agent_settings(*, host: str, state_dir: pathlib.Path = pathlib.Path("/var/lib/x"), **changed: Any) -> AgentSettings:
    """Return the settings of `host` with some of them changed."""
    usual: dict[str, Any] = {
        "host": host,
        "role": "controller",
        "state_dir": state_dir,
        "boot_id_file": pathlib.Path("/proc/sys/kernel/random/boot_id"),
        "socket": state_dir / "control.sock",
        "pools": {
            network: PoolSettings(bind=Address(f"127.0.0.{10 + place}", 7946), join=())
            for place, network in enumerate(Network)
        },
        "swim": SwimSettings.lan(),
        "keyring": None,
        "quorum": QuorumSettings(electorate=frozenset(WITNESSES), own=host),
        "settle_max": 3.0,
        "absence_grace": 60.0,
        "announcer": AnnouncerSettings(own=host, speakers=2, repeat_interval=30.0),
        "project_id": "p1",
        "sample_interval": 0.0,
        "outbox_limit": 1000,
    }
    return AgentSettings(**{**usual, **changed})
