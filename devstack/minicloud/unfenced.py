"""Leaves fencing out on purpose: the lab's proof that the disk checker sees the double writer it is there to see.

The engine accepts this only with CEILO_GOSSIP_LAB=1 in its environment, and says so loudly. There is no way back but
to take the cloud down.
"""

import dataclasses
from typing import Final

from minicloud import services, units
from minicloud.cloud import Cloud
from minicloud.endpoints import CONTROL_HOST
from minicloud.passwords import write_private

ENGINE: Final = "remediation-engine"


def restart_engine(cloud: Cloud) -> None:
    """Run the engine so that it evacuates without fencing. Raises CommandError when init refuses."""
    places = cloud.places
    extra = places.remediation / "unfenced.conf"
    write_private(extra, "[engine]\nlab_skip_fencing = true\n")
    (engine,) = (unit for unit in services.remediation(places) if unit.name == ENGINE)
    units.stop(CONTROL_HOST, ENGINE, cloud=cloud.layout)
    unfenced = dataclasses.replace(
        engine, argv=(*engine.argv, f"--config-file={extra}"), env={**engine.env, "CEILO_GOSSIP_LAB": "1"}
    )
    units.start(CONTROL_HOST, unfenced, cloud=cloud.layout)
