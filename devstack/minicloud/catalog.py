"""Keystone's contents: roles, the project `service`, its users, the services with their endpoints, and a demo project.

Everything is looked up before it is made, so that running it twice changes nothing.
"""

from typing import Any

from minicloud import endpoints
from minicloud.passwords import ADMIN, DEMO, Passwords

DEMO_PROJECT = "demo"


def fill(cloud: Any, passwords: Passwords) -> str:
    """Make what is missing, and return the id of the project `service`.

    `cloud` is an openstack.connection.Connection of the admin.
    """
    identity = cloud.identity
    roles = {role.name: role for role in identity.roles()}
    if "service" not in roles:
        roles["service"] = identity.create_role(name="service")
    users = {user.name: user for user in identity.users()}
    service = identity.find_project("service") or identity.create_project(name="service", domain_id="default")
    for name in endpoints.SERVICE_USERS:
        user = users.get(name) or identity.create_user(
            name=name, password=passwords.users[name], domain_id="default", default_project_id=service.id
        )
        for role in ("admin", "service"):
            identity.assign_project_role_to_user(service, user, roles[role])
    demo = identity.find_project(DEMO_PROJECT) or identity.create_project(name=DEMO_PROJECT, domain_id="default")
    person = users.get(DEMO) or identity.create_user(name=DEMO, password=passwords.users[DEMO], domain_id="default")
    identity.assign_project_role_to_user(demo, person, roles["member"])
    # The admin sees the demo project's servers and creates them on a host of choice.
    identity.assign_project_role_to_user(demo, users[ADMIN], roles["admin"])
    _endpoints(identity)
    return str(service.id)


def _endpoints(identity: Any) -> None:
    services = {service.type: service for service in identity.services()}
    present = {(endpoint.service_id, endpoint.interface) for endpoint in identity.endpoints()}
    for endpoint in endpoints.CATALOG:
        service = services.get(endpoint.kind) or identity.create_service(name=endpoint.name, type=endpoint.kind)
        for interface in ("public", "internal"):
            if (service.id, interface) not in present:
                identity.create_endpoint(
                    service_id=service.id, interface=interface, region_id=endpoints.REGION, url=endpoint.url
                )
