"""Every missing or contradictory option is one line that names the place and the remedy."""

import base64
import grp
import json
import os
import pathlib
from collections.abc import Callable

import pytest
from oslo_config import cfg

from ceilo_gossip.cmd import agent
from ceilo_gossip.conf import opts
from ceilo_gossip.conf.errors import ConfError
from ceilo_gossip.conf.settings import AgentSettings, parse_address, read_settings
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.wire.address import Address

SECRET = b"0123456789abcdef0123456789abcdef"

Sections = dict[str, dict[str, str]]
Read = Callable[[Sections], AgentSettings]


@pytest.fixture
def good(tmp_path: pathlib.Path) -> Sections:
    keyring = tmp_path / "keyring.json"
    keyring.write_text(json.dumps([base64.b64encode(SECRET).decode()]))
    keyring.chmod(0o600)
    return {
        "DEFAULT": {"host": "cmp-1", "state_dir": str(tmp_path), "transport_url": "rabbit://u:p@192.0.2.1:5672/"},
        "gossip": {"keyring_file": str(keyring)},
        "gossip_management": {"bind": "192.0.2.21:7946", "join": "192.0.2.11:7946,192.0.2.21:7946"},
        "gossip_storage": {"bind": "198.51.100.21:7946"},
        "gossip_tunnel": {"bind": "[2001:db8::21]:7946"},
        "electorate": {"witnesses": "ctl-1, ctl-2, ctl-3"},
        "report": {"project_id": "p1"},
    }


def write(path: pathlib.Path, sections: Sections) -> pathlib.Path:
    lines = [
        line
        for group, options in sections.items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in options.items()))
    ]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def read(tmp_path: pathlib.Path) -> Read:
    def reading(sections: Sections) -> AgentSettings:
        conf = cfg.ConfigOpts()
        opts.register(conf)
        conf(["--config-file", str(write(tmp_path / "agent.conf", sections))], project="test")
        return read_settings(conf)

    return reading


def test_each_gossip_profile_can_be_chosen_and_lan_is_what_one_gets(read: Read, good: Sections) -> None:
    assert read(good).swim == SwimSettings.lan()
    (profile,) = (option for option in opts.GOSSIP_OPTS if option.name == "profile")
    for name in profile.type.choices:
        good["gossip"]["profile"] = name
        assert read(good).swim == getattr(SwimSettings, name)()


def test_good_configuration_becomes_settings(good: Sections, read: Read) -> None:
    settings = read(good)
    assert settings.pools[Network.TUNNEL].bind == Address("2001:db8::21", 7946)
    assert settings.quorum.electorate == {"ctl-1", "ctl-2", "ctl-3"}
    assert settings.socket == settings.state_dir / "control.sock"


def test_own_address_is_no_address_to_join(good: Sections, read: Read) -> None:
    assert read(good).pools[Network.MANAGEMENT].join == (Address("192.0.2.11", 7946),)


def test_socket_is_for_nobody_else_unless_a_group_is_named(good: Sections, read: Read) -> None:
    assert read(good).socket_group is None
    own = grp.getgrgid(os.getegid())
    assert read({**good, "control": {"group": own.gr_name}}).socket_group == own.gr_gid


def test_group_that_the_agent_is_not_in_is_refused_with_the_remedy(
    good: Sections, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = grp.getgrgid(0).gr_name
    monkeypatch.setattr(os, "geteuid", lambda: 990)
    monkeypatch.setattr(os, "getegid", lambda: 990)
    monkeypatch.setattr(os, "getgroups", lambda: [990])
    with pytest.raises(ConfError, match=f"not in the group {name!r}.*SupplementaryGroups={name} in the unit"):
        read({**good, "control": {"group": name}})


def test_device_of_a_network_is_used_if_it_is_named(good: Sections, read: Read) -> None:
    good["gossip_storage"]["device"] = "bond0.30"
    pools = read(good).pools
    assert [pools[network].device for network in (Network.MANAGEMENT, Network.STORAGE)] == [None, "bond0.30"]


def test_keys_and_passwords_are_in_no_repr(good: Sections, read: Read) -> None:
    text = repr(read(good))
    assert SECRET.decode() not in text and base64.b64encode(SECRET).decode() not in text


FAULTS: list[tuple[str, str, str | None, str]] = [
    ("gossip_storage", "bind", None, "is missing"),
    ("gossip_storage", "bind", "198.51.100.21", "has no port"),
    ("gossip_storage", "bind", "198.51.100.21:seven", "has no port"),
    ("gossip_storage", "bind", "storage-host:7946", "is not an IP address"),
    ("gossip_storage", "bind", "198.51.100.21:0", "port 0"),
    ("gossip_storage", "bind", "2001:db8::21:7946", "needs brackets"),
    ("gossip_storage", "bind", "192.0.2.21:7946", "is also that of [gossip_management]"),
    ("gossip_storage", "join", "198.51.100.11:7946,nonsense", "no gossip address"),
    ("gossip_storage", "device", "bond0.30/eth1", "no name of a network device"),
    ("gossip_storage", "device", "a-name-of-17-bytes", "no name of a network device"),
    ("gossip", "keyring_file", None, "is missing"),
    ("gossip", "keyring_file", "/nonexistent/keyring.json", "cannot be read"),
    ("gossip", "keyring_file", "keyring.json", "not an absolute path"),
    ("gossip", "allow_plaintext", "true", "although keyring_file is set"),
    ("gossip", "profile", "fast", "profile"),
    ("electorate", "witnesses", None, "is empty"),
    ("electorate", "witnesses", "ctl-1,ctl-2", "an even number"),
    ("electorate", "witnesses", "ctl-1,ctl-2,ctl-1", "names ctl-1 more than once"),
    ("electorate", "witnesses", "ctl-1,ctl 2,ctl-3", "is not a host name"),
    ("electorate", "quorum_window", "0.1", "quorum_window"),
    ("electorate", "ask_interval", "5", "is not shorter than quorum_window"),
    ("DEFAULT", "host", "-cmp", "is not a host name"),
    ("DEFAULT", "host", "", "is not a host name"),
    ("DEFAULT", "state_dir", "state", "not an absolute path"),
    ("DEFAULT", "transport_url", None, "names no host"),
    ("DEFAULT", "transport_url", "rabbit://u:p@[bad", "not a valid URL"),
    ("DEFAULT", "transport_url", "rabbit://u:pa$word@192.0.2.1:5672/", "not a valid URL"),
    ("control", "socket", "/" + "x" * 200, "longer than 107 bytes"),
    ("control", "group", "no-such-group", "there is no group 'no-such-group'; create it (groupadd)"),
    ("health", "settle_max", "30", "not shorter than [report] repeat_interval"),
    ("report", "project_id", None, "is missing"),
    ("report", "speakers", "0", "speakers"),
    ("report", "repeat_interval", "soon", "repeat_interval"),
]


@pytest.mark.parametrize(("group", "option", "value", "problem"), FAULTS)
def test_fault_is_one_line_that_names_the_option(
    good: Sections, read: Read, group: str, option: str, value: str | None, problem: str
) -> None:
    options = good.setdefault(group, {})
    if value is None:
        options.pop(option)
    else:
        options[option] = value
    with pytest.raises(ConfError) as caught:
        read(good)
    text = str(caught.value)
    assert text.startswith(f"[{group}] {option}: ")
    assert problem in text and "; " in text and "\n" not in text


@pytest.mark.parametrize(("group", "option", "value", "problem"), FAULTS)
def test_command_ends_with_exit_code_2_and_the_line(
    good: Sections,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    group: str,
    option: str,
    value: str | None,
    problem: str,
) -> None:
    options = good.setdefault(group, {})
    if value is None:
        options.pop(option)
    else:
        options[option] = value
    assert agent.main(["--config-file", str(write(tmp_path / "agent.conf", good))]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"[{group}] {option}" in error and problem in error


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (json.dumps([base64.b64encode(SECRET).decode()]), 0o644, "has mode 0644"),
        (json.dumps([base64.b64encode(SECRET).decode()]), 0o660, "has mode 0660"),
        ("[]", 0o600, "at least one key"),
        ('["not base64!"]', 0o600, "not base64"),
        (json.dumps([base64.b64encode(b"short").decode()]), 0o600, "has 5 bytes"),
        ('{"key": 1}', 0o600, "not a JSON array"),
        ("keys", 0o600, "not JSON"),
        ("[" * 70000, 0o600, "larger than"),
    ],
)
def test_keyring_that_cannot_be_trusted_is_refused(
    good: Sections, read: Read, content: str, mode: int, problem: str
) -> None:
    path = pathlib.Path(good["gossip"]["keyring_file"])
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(ConfError, match=r"^\[gossip\] keyring_file: ") as caught:
        read(good)
    assert problem in str(caught.value)
    assert base64.b64encode(SECRET).decode() not in str(caught.value)


def test_plain_text_has_to_be_asked_for(good: Sections, read: Read) -> None:
    good["gossip"] = {"allow_plaintext": "true"}
    assert read(good).keyring is None


def test_missing_file_is_told_by_the_command(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agent.main(["--config-file", str(tmp_path / "absent.conf")]) == 2
    assert "absent.conf" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["transport_url s3cretPW", "[s3cretPW"])
def test_malformed_line_is_named_and_not_quoted(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    (tmp_path / "agent.conf").write_text(f"[DEFAULT]\n{line}\n")
    assert agent.main(["--config-file", str(tmp_path / "agent.conf")]) == 2
    error = capsys.readouterr().err
    assert "agent.conf is malformed in line 2; write" in error
    assert error.count("\n") == 1 and "s3cretPW" not in error


@pytest.mark.parametrize("text", ["192.0.2.1:7946", " 192.0.2.1:7946 "])
def test_address_is_parsed(text: str) -> None:
    assert parse_address("g", "o", text) == Address("192.0.2.1", 7946)
