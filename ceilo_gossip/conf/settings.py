"""Turns options into settings that have already refused what cannot work."""

import dataclasses
import grp
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import oslo_messaging
from oslo_config import cfg

from ceilo_gossip.conf.errors import ConfError
from ceilo_gossip.conf.keyring import read_keyring
from ceilo_gossip.conf.opts import gossip_group
from ceilo_gossip.contract.errors import ContractError
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.contract.verdict import check_host
from ceilo_gossip.health.quorum import QuorumSettings
from ceilo_gossip.health.settings import AnnouncerSettings
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.keyring import Keyring

_PROFILES = {
    "lan": SwimSettings.lan,
    "compute": SwimSettings.compute,
    "wan": SwimSettings.wan,
    "local": SwimSettings.local,
}
MAX_DEVICE_NAME = 15  # IFNAMSIZ has room for the closing NUL, too.
MAX_SOCKET_PATH = 107  # sockaddr_un.sun_path holds 108 bytes with the closing NUL.


@dataclasses.dataclass(frozen=True, slots=True)
class PoolSettings:
    """One pool: where this host is on its network, and whom to ask to be let in. device: the only one to be used."""

    bind: Address
    join: tuple[Address, ...]
    device: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """Everything an agent is told; lengths are seconds."""

    host: str
    role: str
    state_dir: pathlib.Path
    boot_id_file: pathlib.Path
    socket: pathlib.Path
    socket_group: int | None = None
    pools: Mapping[Network, PoolSettings]
    swim: SwimSettings
    keyring: Keyring | None
    quorum: QuorumSettings
    settle_max: float
    absence_grace: float
    announcer: AnnouncerSettings
    project_id: str
    sample_interval: float
    outbox_limit: int


def read_settings(conf: Any) -> AgentSettings:
    """Return the settings in `conf`, a ConfigOpts that `opts.register` has seen; ConfError for the first fault."""
    host = _host(conf)
    state_dir = pathlib.Path(_value(conf, "DEFAULT", "state_dir"))
    announcer = AnnouncerSettings(
        own=host,
        speakers=_value(conf, "report", "speakers"),
        repeat_interval=_value(conf, "report", "repeat_interval"),
    )
    settings = AgentSettings(
        host=host,
        role=_value(conf, "DEFAULT", "role"),
        state_dir=_absolute("DEFAULT", "state_dir", state_dir),
        boot_id_file=pathlib.Path(_value(conf, "DEFAULT", "boot_id_file")),
        socket=_socket(conf, state_dir),
        socket_group=_socket_group(conf),
        pools=_pools(conf),
        swim=_PROFILES[_value(conf, "gossip", "profile")](),
        keyring=_keyring(conf),
        quorum=_quorum(conf, host),
        settle_max=_value(conf, "health", "settle_max"),
        absence_grace=_value(conf, "health", "absence_grace"),
        announcer=announcer,
        project_id=_project_id(conf),
        sample_interval=_value(conf, "report", "sample_interval"),
        outbox_limit=_value(conf, "report", "outbox_limit"),
    )
    if settings.settle_max >= announcer.repeat_interval:
        raise ConfError(
            "health",
            "settle_max",
            f"{settings.settle_max:g} s is not shorter than [report] repeat_interval {announcer.repeat_interval:g} s",
            "settle within a few seconds, repeat after many",
        )
    _check_transport_url(conf)
    return settings


def parse_address(group: str, option: str, text: str) -> Address:
    """Return the address in `text`, ADDRESS:PORT with IPv6 in brackets; ConfError otherwise."""
    host, colon, port = text.strip().rpartition(":")
    try:
        if not colon or not port.isascii() or not port.isdigit():
            raise WireError("it has no port")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise WireError("an IPv6 address needs brackets")
        return Address(host, int(port))
    except WireError as error:
        remedy = "write ADDRESS:PORT, e.g. 192.0.2.21:7946 or [2001:db8::21]:7946"
        raise ConfError(group, option, f"{text[:80]!r} is no gossip address ({error})", remedy) from error


def _value(conf: Any, group: str, option: str) -> Any:
    """Return an option's value; oslo.config checks types and bounds only now."""
    try:
        return conf[option] if group == "DEFAULT" else conf[group][option]
    except cfg.ConfigFileValueError as error:
        raise ConfError(group, option, str(error).rstrip("."), "correct the value") from error


def _host(conf: Any) -> str:
    host = _value(conf, "DEFAULT", "host") or ""
    try:
        check_host("host", host)
    except ContractError as error:
        raise ConfError(
            "DEFAULT", "host", error.problem, "set it to the name in `openstack compute service list`"
        ) from error
    return str(host)


def _absolute(group: str, option: str, path: pathlib.Path) -> pathlib.Path:
    if not path.is_absolute():
        raise ConfError(group, option, f"{str(path)!r} is not an absolute path", "begin it with /")
    return path


def _socket(conf: Any, state_dir: pathlib.Path) -> pathlib.Path:
    given = _value(conf, "control", "socket")
    path = _absolute("control", "socket", pathlib.Path(given) if given else state_dir / "control.sock")
    if len(str(path).encode()) > MAX_SOCKET_PATH:
        raise ConfError("control", "socket", f"{path} is longer than {MAX_SOCKET_PATH} bytes", "name a shorter path")
    return path


def _socket_group(conf: Any) -> int | None:
    """The id of the group that may use the socket; this process must be able to give it the socket."""
    name = _value(conf, "control", "group")
    if not name:
        return None
    try:
        group = grp.getgrnam(name).gr_gid
    except (KeyError, ValueError) as error:
        raise ConfError(
            "control", "group", f"there is no group {name[:60]!r}", "create it (groupadd), or name another"
        ) from error
    if os.geteuid() != 0 and group not in (os.getegid(), *os.getgroups()):
        raise ConfError(
            "control",
            "group",
            f"the agent's user is not in the group {name!r}, so it may not give it the socket",
            f"add it: SupplementaryGroups={name} in the unit, or usermod --append --groups {name}",
        )
    return group


def _pools(conf: Any) -> Mapping[Network, PoolSettings]:
    pools: dict[Network, PoolSettings] = {}
    taken: dict[Address, str] = {}
    for network in Network:
        group = gossip_group(network)
        text = _value(conf, group, "bind")
        if not text:
            raise ConfError(
                group, "bind", "is missing", f"set it to ADDRESS:PORT of this host on the {network} network"
            )
        bind = parse_address(group, "bind", text)
        if bind in taken:
            raise ConfError(
                group, "bind", f"{bind} is also that of [{taken[bind]}]", "give each network its own address"
            )
        taken[bind] = group
        join = tuple(parse_address(group, "join", entry) for entry in _value(conf, group, "join"))
        pools[network] = PoolSettings(
            bind=bind, join=tuple(address for address in join if address != bind), device=_device(conf, group)
        )
    return pools


def _device(conf: Any, group: str) -> str | None:
    """Return a name that the kernel could give a device; whether there is such a one shows at the start."""
    name: str | None = _value(conf, group, "device")
    if not name:
        return None
    if len(name.encode()) > MAX_DEVICE_NAME or name in (".", "..") or any(c in "/:" or c.isspace() for c in name):
        remedy = "name one that `ip link` shows, or leave it out"
        raise ConfError(group, "device", f"{name[:80]!r} is no name of a network device", remedy)
    return name


def _keyring(conf: Any) -> Keyring | None:
    path, is_plain = _value(conf, "gossip", "keyring_file"), _value(conf, "gossip", "allow_plaintext")
    if path and is_plain:
        raise ConfError("gossip", "allow_plaintext", "is true although keyring_file is set", "remove one of the two")
    if path:
        return read_keyring(_absolute("gossip", "keyring_file", pathlib.Path(path)))
    if not is_plain:
        remedy = "name a file with keys (for experiments only: allow_plaintext = true)"
        raise ConfError("gossip", "keyring_file", "is missing", remedy)
    return None


def _quorum(conf: Any, host: str) -> QuorumSettings:
    witnesses = [name.strip() for name in _value(conf, "electorate", "witnesses")]
    window, ask_interval = _value(conf, "electorate", "quorum_window"), _value(conf, "electorate", "ask_interval")
    remedy = "name an odd number of hosts, the same on every host, e.g. ctl-1,ctl-2,ctl-3"
    if not witnesses:
        raise ConfError("electorate", "witnesses", "is empty", remedy)
    for name in witnesses:
        try:
            check_host("witnesses", name)
        except ContractError as error:
            raise ConfError("electorate", "witnesses", error.problem, remedy) from error
    twice = sorted({name for name in witnesses if witnesses.count(name) > 1})
    if twice:
        raise ConfError("electorate", "witnesses", f"names {', '.join(twice)} more than once", remedy)
    if len(witnesses) % 2 == 0:
        raise ConfError("electorate", "witnesses", f"names {len(witnesses)} hosts, an even number", remedy)
    if ask_interval >= window:
        raise ConfError(
            "electorate",
            "ask_interval",
            f"{ask_interval:g} s is not shorter than quorum_window {window:g} s",
            "shorten it",
        )
    return QuorumSettings(electorate=frozenset(witnesses), own=host, window=window, ask_interval=ask_interval)


def _project_id(conf: Any) -> str:
    project_id = _value(conf, "report", "project_id")
    if not project_id:
        remedy = "set it to the id of the project that owns the alarms: openstack project show service -f value -c id"
        raise ConfError("report", "project_id", "is missing, so no alarm would ever fire", remedy)
    return str(project_id)


def _check_transport_url(conf: Any) -> None:
    remedy = "set it to the message bus, e.g. rabbit://USER:PASSWORD@192.0.2.11:5672/"
    try:
        url = oslo_messaging.TransportURL.parse(conf)
    except (oslo_messaging.InvalidTransportURL, cfg.Error, ValueError) as error:
        # ValueError comes from urllib unwrapped, cfg.Error from a "$" that oslo.config takes for a reference. Their
        # texts may repeat the URL, which holds a password.
        raise ConfError("DEFAULT", "transport_url", "is not a valid URL", remedy) from error
    if url.transport != "fake" and not url.hosts:
        raise ConfError("DEFAULT", "transport_url", "names no host", remedy)
