"""Authenticated sessions with OpenStack, from a group of the configuration or from OS_* environment variables.

The group wins; the environment serves a person at a terminal. A password is never an argument of a command.
"""

import os
from collections.abc import Mapping
from typing import Any, Final

from keystoneauth1 import exceptions, loading
from oslo_config import cfg

from remediation.conf.errors import ConfigError
from remediation.conf.secretfile import read_password

_PASSWORD_KINDS: Final = ("password", "v3password")
# Of each group one must be given; the address is what keystoneauth itself asks for.
_NEEDED: Final = (("username", "user_id"), ("password",), ("project_name", "project_id", "system_scope"))


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
        auth = loading.load_auth_from_conf_options(conf, group, **replaced)
        if conf[group].auth_type in _PASSWORD_KINDS and not conf[group].auth_section:
            # Only now has keystoneauth registered the options of this kind.
            given = {name: conf[group][name] for names in _NEEDED for name in names} | replaced
            _check_complete(group, given, spelling="{}")
    except (exceptions.ClientException, cfg.Error) as error:
        raise ConfigError(group, "auth_type", " ".join(str(error).split())) from error
    return auth


def _auth_from_environment(group: str, environment: Mapping[str, str]) -> Any:
    kind = environment.get("OS_AUTH_TYPE", "password")
    given = {name: environment.get(f"OS_{name.upper()}") for names in _NEEDED for name in names}
    if kind in _PASSWORD_KINDS:
        _check_complete(group, given, spelling="the environment's OS_{}")
    try:
        loader: Any = loading.get_plugin_loader(kind)
        return loader.load_from_options_getter(lambda option: environment.get(f"OS_{option.dest.upper()}"))
    except exceptions.ClientException as error:
        problem = f"neither set nor usable from OS_AUTH_TYPE={kind}: {' '.join(str(error).split())}"
        raise ConfigError(group, "auth_type", problem) from error


def _check_complete(group: str, given: Mapping[str, str | None], *, spelling: str) -> None:
    """Refuse credentials of which a part is missing; keystoneauth would say so only when Keystone is asked."""
    for names in _NEEDED:
        if not any(given.get(name) for name in names):
            upper = "OS_" in spelling
            shown = [spelling.format(name.upper() if upper else name) for name in names]
            raise ConfigError(group, names[0], f"is missing; set {' or '.join(shown)}")
