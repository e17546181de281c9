"""Where each service of the control plane listens, and what the catalog calls it.

All of them live in `ctl-1` and listen on its management address, on the ports that OpenStack's own installation guide
uses, so that what is read here about the minicloud is true of other clouds too.
"""

import dataclasses
from typing import Final

from minicloud import layout

CONTROL_HOST: Final = "ctl-1"
ADDRESS: Final = layout.MANAGEMENT.address(11)  # That of ctl-1.
REGION: Final = "RegionOne"
RABBIT_PORT: Final = 5672
MARIADB_PORT: Final = 3306
WEBHOOK_PORT: Final = 8780
VIRTUAL_HOST: Final = "minicloud"  # RabbitMQ's


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One HTTP service: `name` is its service user, `kind` the catalog's service type, `path` the API's root."""

    name: str
    kind: str
    port: int
    path: str = ""

    @property
    def url(self) -> str:
        """The URL that the catalog holds."""
        return f"http://{ADDRESS}:{self.port}{self.path}"


KEYSTONE: Final = Endpoint(name="keystone", kind="identity", port=5000, path="/v3")
PLACEMENT: Final = Endpoint(name="placement", kind="placement", port=8778)
GLANCE: Final = Endpoint(name="glance", kind="image", port=9292)
NOVA: Final = Endpoint(name="nova", kind="compute", port=8774, path="/v2.1")
NEUTRON: Final = Endpoint(name="neutron", kind="network", port=9696)
GNOCCHI: Final = Endpoint(name="gnocchi", kind="metric", port=8041)
AODH: Final = Endpoint(name="aodh", kind="alarming", port=8042)

# Keystone is not among them: `keystone-manage bootstrap` makes its own entries.
CATALOG: Final = (PLACEMENT, GLANCE, NOVA, NEUTRON, GNOCCHI, AODH)
ALL: Final = (KEYSTONE, *CATALOG)

# Users that own no endpoint. `remediation` acts on Nova and Aodh.
CLIENT_USERS: Final = ("ceilometer", "remediation")
SERVICE_USERS: Final = (*(endpoint.name for endpoint in CATALOG), *CLIENT_USERS)
