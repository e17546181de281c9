"""What Gnocchi must know before the first sample: Ceilometer's resource types, and ours for a host's health."""

from typing import Any, Final

from ceilo_gossip.contract import messaging
from minicloud import endpoints

_PATH: Final = f"http://{endpoints.ADDRESS}:{endpoints.GNOCCHI.port}/v1/resource_type"
_ATTRIBUTES: Final = {"host_name": {"type": "string", "required": False, "min_length": 0, "max_length": 255}}
_EXISTS: Final = 409


def create(session: Any) -> None:
    """Create our resource type, unless it is there. `session` is keystoneauth's."""
    body = {"name": messaging.GNOCCHI_RESOURCE_TYPE, "attributes": _ATTRIBUTES}
    answer = session.post(_PATH, json=body, raise_exc=False)
    if answer.status_code not in (201, _EXISTS):
        raise RuntimeError(f"Gnocchi refused our resource type: {answer.status_code} {answer.text[:300]}")
