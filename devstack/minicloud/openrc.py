"""How a person's own tools reach the cloud: an openrc inside ctl-1's network, a clouds.yaml for the machine outside.

The catalog holds addresses that exist inside the cloud only. Outside, the forwarder listens on 127.0.0.1, and
clouds.yaml overrides each endpoint with it.
"""

from typing import Any, Final

import yaml

from minicloud import endpoints, forwarder, services
from minicloud.catalog import DEMO_PROJECT
from minicloud.passwords import ADMIN, Passwords, write_private
from minicloud.places import Places

PORT_OFFSET: Final = 20000  # The service's port plus this, on 127.0.0.1: 25000 is Keystone.


def write(places: Places, passwords: Passwords) -> None:
    """Write both files; they hold the admin's password and are readable by root only."""
    login = services.login(passwords.users[ADMIN], user=ADMIN, project=DEMO_PROJECT)
    lines = [f"export {name}={value}" for name, value in login.items()]
    write_private(places.openrc, "\n".join(lines) + "\n")
    cloud: dict[str, Any] = {
        "auth": {
            "auth_url": _outside(endpoints.KEYSTONE),
            "username": ADMIN,
            "password": passwords.users[ADMIN],
            "project_name": DEMO_PROJECT,
            "user_domain_id": "default",
            "project_domain_id": "default",
        },
        "region_name": endpoints.REGION,
        "identity_api_version": "3",
    }
    for endpoint in endpoints.ALL:
        cloud[f"{endpoint.kind}_endpoint_override"] = _outside(endpoint)
    write_private(places.clouds_yaml, yaml.safe_dump({"clouds": {"minicloud": cloud}}, sort_keys=False))


def forward(places: Places) -> None:
    """Start the forwarder, unless it runs."""
    ports = {endpoint.port + PORT_OFFSET: endpoint.port for endpoint in endpoints.ALL}
    forwarder.start(ports, host=endpoints.CONTROL_HOST, cloud=places.layout)


def _outside(endpoint: endpoints.Endpoint) -> str:
    version = "/v2.0" if endpoint.kind == "network" else endpoint.path
    return f"http://127.0.0.1:{endpoint.port + PORT_OFFSET}{version}"
