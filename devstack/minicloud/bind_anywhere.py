"""A Neutron ML2 mechanism driver that binds every port on any host, without an agent.

The minicloud's instances have no network traffic; Nova only has to see their ports become ACTIVE.
`configuration` makes it known to Neutron, which finds drivers through the metadata of installed distributions.
"""

from typing import Any

# Without an L3 plugin nobody else imports all models, and then the first query fails: "Port has no attribute
# 'port_forwardings'".
from neutron.db.migration.models import head  # noqa: F401
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api
from sqlalchemy import orm


class BindAnywhereDriver(api.MechanismDriver):
    """Binds a port to the first segment it is offered."""

    def initialize(self) -> None:
        """Resolve the relations between the models, which is otherwise done too late."""
        orm.configure_mappers()

    @property
    def connectivity(self) -> str:
        """Say what kind of network this driver gives."""
        return str(portbindings.CONNECTIVITY_L2)

    def bind_port(self, context: Any) -> None:
        """Bind the port and call it active at once."""
        for segment in context.segments_to_bind:
            context.set_binding(
                segment[api.ID],
                portbindings.VIF_TYPE_OVS,
                {portbindings.CAP_PORT_FILTER: False},
                status=constants.PORT_STATUS_ACTIVE,
            )
            return
