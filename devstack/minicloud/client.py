"""Clients of the minicloud's OpenStack, for its own bring-up, the demo, and the lab tests.

They work from inside ctl-1's network only (see `kernel.enter_network_namespace`).
"""

from typing import Any

from keystoneauth1 import session as keystone_session
from keystoneauth1.identity import v3
from novaclient import client as nova
from openstack import connection

from minicloud import endpoints
from minicloud.passwords import ADMIN, Passwords

# Instances that were ACTIVE stay so after an evacuation; from 2.95 on Nova leaves them stopped.
NOVA_VERSION = "2.94"


def session(passwords: Passwords, *, user: str = ADMIN, project: str = "demo") -> keystone_session.Session:
    """Return a session of `user` in `project`; no call is made yet."""
    auth = v3.Password(
        auth_url=endpoints.KEYSTONE.url,
        username=user,
        password=passwords.users[user],
        project_name=project,
        user_domain_id="default",
        project_domain_id="default",
    )
    return keystone_session.Session(auth=auth, timeout=30)


def openstack_client(passwords: Passwords, *, user: str = ADMIN, project: str = "demo") -> Any:
    """Return an openstack.connection.Connection."""
    return connection.Connection(
        session=session(passwords, user=user, project=project),
        region_name=endpoints.REGION,
        identity_api_version="3",
    )


def nova_client(passwords: Passwords, *, user: str = ADMIN, project: str = "demo", version: str = NOVA_VERSION) -> Any:
    """Return a novaclient Client, by default at the compute API version that the remediator uses."""
    return nova.Client(version, session=session(passwords, user=user, project=project), region_name=endpoints.REGION)
