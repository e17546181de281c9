"""Authenticated sessions with OpenStack, from a group of the configuration or from OS_* environment variables.

The group wins; the environment serves a person at a terminal. A password is never an argument of a command.
"""

import os
from collections.abc import Mapping
from typing import Any

from keystoneauth1 import exceptions, loading
from oslo_config import cfg

from remediation.conf.errors import ConfigError
from remediation.conf.secretfile import read_password


def load_session(conf: cfg.ConfigOpts, group: str, *, environment: Mapping[str, str] = os.environ) -> Any:
    """Return a keystoneauth session for `group`; nothing is sent yet.

    Raises ConfigError when neither the group nor the environment holds usable credentials.
    """
    if conf[group].auth_type or conf[group].auth_section:
        auth = _auth_from_group(conf, group)
        return loading.load_session_from_conf_options(conf, group, auth=auth)
    if "OS_AUTH_URL" in environment:
        auth = _auth_from_environment(group, environment)
        return loading.session.Session().load_from_options(auth=auth, cacert=environment.get("OS_CACERT") or None)
    problem = "is missing; set auth_type = password and its options, or load an openrc file (OS_AUTH_URL, ...)"
    raise ConfigError(group, "auth_type", problem)


def adapter_options(conf: cfg.ConfigOpts, group: str) -> dict[str, Any]:
    """Return `region_name`, `interface` and `endpoint_override` of `group`, as OpenStack clients take them."""
    interfaces = conf[group].valid_interfaces
    return {
        "region_name": conf[group].region_name,
        "interface": interfaces[0] if interfaces else None,
        "endpoint_override": conf[group].endpoint_override,
    }


def _auth_from_group(conf: cfg.ConfigOpts, group: str) -> Any:
    replaced = {}
    if conf[group].password_file:
        replaced["password"] = read_password(conf[group].password_file, group=group, option="password_file")
    try:
        return loading.load_auth_from_conf_options(conf, group, **replaced)
    except (exceptions.ClientException, cfg.Error) as error:
        raise ConfigError(group, "auth_type", " ".join(str(error).split())) from error


def _auth_from_environment(group: str, environment: Mapping[str, str]) -> Any:
    kind = environment.get("OS_AUTH_TYPE", "password")
    try:
        loader: Any = loading.get_plugin_loader(kind)
        return loader.load_from_options_getter(lambda option: environment.get(f"OS_{option.dest.upper()}"))
    except exceptions.ClientException as error:
        problem = f"neither set nor usable from OS_AUTH_TYPE={kind}: {' '.join(str(error).split())}"
        raise ConfigError(group, "auth_type", problem) from error
