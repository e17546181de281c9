"""Creates our archive policy and resource type in Gnocchi, and tells when what is there differs."""

import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any, Final

import yaml
from keystoneauth1 import adapter, session
from keystoneauth1 import exceptions as keystone_errors
from keystoneauth1.identity import v3

_CREATED: Final = (200, 201)
_CONFLICT: Final = 409
_NEEDED: Final = ("OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME")
_TIMESPANS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


class GnocchiError(Exception):
    """Gnocchi could not be told; the sentence says what to do."""


def make_session() -> adapter.Adapter:
    """Return a client of the catalog's metric service; credentials and options come from the OS_* variables."""
    missing = [name for name in _NEEDED if not os.environ.get(name)]
    if missing:
        raise GnocchiError(f"{', '.join(missing)} not set; source the credentials of a cloud administrator first")
    auth = v3.Password(
        auth_url=os.environ["OS_AUTH_URL"],
        username=os.environ["OS_USERNAME"],
        password=os.environ["OS_PASSWORD"],
        project_name=os.environ["OS_PROJECT_NAME"],
        user_domain_name=os.environ.get("OS_USER_DOMAIN_NAME", "Default"),
        project_domain_name=os.environ.get("OS_PROJECT_DOMAIN_NAME", "Default"),
    )
    return adapter.Adapter(
        session.Session(auth=auth, verify=os.environ.get("OS_CACERT", True), timeout=30),
        service_type="metric",
        interface=os.environ.get("OS_INTERFACE", "public"),
        region_name=os.environ.get("OS_REGION_NAME"),
    )


def create(client: Any, definitions: pathlib.Path) -> Iterator[str]:
    """Create what is missing and yield a line for each thing; `client` speaks HTTP to Gnocchi's root."""
    resources = yaml.safe_load((definitions / "gnocchi_resources.yaml").read_text("utf-8"))
    for policy in resources["archive_policies"]:
        yield _create(client, "archive_policy", _policy_body(policy))
    yield _create(client, "resource_type", json.loads((definitions / "resource_type.json").read_text("utf-8")))


def _create(client: Any, kind: str, body: dict[str, Any]) -> str:
    what = f"{kind.replace('_', ' ')} {body['name']}"
    try:
        answer = client.post(f"/v1/{kind}", json=body, raise_exc=False)
    except keystone_errors.ClientException as error:
        raise GnocchiError(f"{what}: {error}") from error
    if answer.status_code in _CREATED:
        return f"{what}: created"
    if answer.status_code == _CONFLICT:
        return f"{what}: is there already"
    raise GnocchiError(f"{what}: Gnocchi answered {answer.status_code} {answer.text[:300]}")


def _policy_body(policy: dict[str, Any]) -> dict[str, Any]:
    """Gnocchi's API wants what Ceilometer's file has, with the lengths in seconds."""
    definition = [{name: _seconds(length) for name, length in entry.items()} for entry in policy["definition"]]
    return {**policy, "definition": definition}


def _seconds(length: str) -> int:
    count, unit = length.split()
    return int(count) * _TIMESPANS[unit.rstrip("s")]
