"""The files that the minicloud renders: what services must find in them, and who may read them."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml
from oslo_config import cfg

from minicloud import endpoints, ha_configuration, ini, layout, openrc, services
from minicloud.configuration import render_core
from minicloud.infrastructure_configuration import render_infrastructure
from minicloud.passwords import Passwords
from minicloud.places import Places
from minicloud.telemetry_configuration import render_telemetry
from remediation.matrix.lint import has_errors, lint
from remediation.matrix.loader import load

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def passwords() -> Passwords:
    return Passwords.draw()


@pytest.fixture
def places(tmp_path: Path, passwords: Passwords) -> Places:
    """The places of a cloud that was rendered, with a virtual environment that holds what is copied from it."""
    venv = tmp_path / "venv"
    for name in (
        "etc/nova/api-paste.ini",
        "lib/python3.11/site-packages/gnocchi/rest/api-paste.ini",
        "lib/python3.11/site-packages/aodh/api/api-paste.ini",
    ):
        service = "gnocchi" if "gnocchi" in name else "aodh"
        (venv / name).parent.mkdir(parents=True)
        (venv / name).write_text(f"[filter:authtoken]\noslo_config_project = {service}\n")
    cloud = layout.Layout("mc", layout.Directories(tmp_path / "home"))
    found = Places(cloud, venv, PROJECT)
    cloud.directories.run.mkdir(parents=True)
    cloud.directories.bmc_credentials.write_text(json.dumps({"username": "admin", "password": "of-the-bmc"}))
    render_infrastructure(found, passwords)
    render_core(found, passwords)
    render_telemetry(found, passwords)
    ha_configuration.render_ha(found, passwords, project_id="p" * 32)
    openrc.write(found, passwords)
    return found


def read(path: Path, *options: tuple[str, str]) -> list[str | None]:
    """Return options of a file as oslo.config reads them; each is (group, name)."""
    conf = cfg.ConfigOpts()
    for group, name in options:
        conf.register_opt(cfg.StrOpt(name), group=None if group == "DEFAULT" else group)
    conf(["--config-file", str(path)], project="test", default_config_dirs=[])
    return [conf[name] if group == "DEFAULT" else conf[group][name] for group, name in options]


def everything_secret(passwords: Passwords) -> set[str]:
    return {*passwords.users.values(), *passwords.databases.values(), passwords.rabbit, passwords.webhook}


def test_file_that_holds_a_password_is_for_its_owner_only(places: Places, passwords: Passwords) -> None:
    secrets = everything_secret(passwords)
    holders = [path for path in places.run.rglob("*") if path.is_file() and any(s in path.read_text() for s in secrets)]
    assert len(holders) > 20
    assert not [path for path in holders if path.stat().st_mode & 0o077]


def test_keys_are_for_their_owner_only(places: Places) -> None:
    for path in (places.keyring, places.remediation / "webhook.key", places.remediation / "bmc.password"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_no_unit_has_a_password_among_its_arguments(places: Places, passwords: Passwords) -> None:
    units = [*services.control_plane(places), services.engine_without_fencing(places)]
    for host in places.layout.hosts:
        units.append(services.agent(places, host))
    for host in places.compute_hosts:
        units.append(services.nova_compute(places, host))
    for unit in units:
        assert not [one for one in everything_secret(passwords) if one in " ".join(unit.argv)]


def test_passwords_have_no_repr(passwords: Passwords) -> None:
    assert not [one for one in everything_secret(passwords) if one in repr(passwords)]


def test_passwords_survive_being_stored(tmp_path: Path, passwords: Passwords) -> None:
    passwords.store(tmp_path / "passwords.json")
    assert dataclasses.asdict(Passwords.load(tmp_path / "passwords.json")) == dataclasses.asdict(passwords)


def test_every_member_of_the_bus_declares_its_queues_alike(places: Places) -> None:
    files = [path for path in places.etc.rglob("*.conf") if "transport_url" in path.read_text()]
    assert len(files) > 14
    for path in files:
        assert read(path, ("oslo_messaging_rabbit", "amqp_durable_queues")) == ["true"], path


def test_each_compute_host_is_itself(places: Places) -> None:
    found = [
        read(places.nova_compute_file(host), ("DEFAULT", "host"), ("DEFAULT", "my_ip")) for host in places.compute_hosts
    ]
    assert found == [[f"cmp-{n}", f"10.91.1.{20 + n}"] for n in range(1, 6)]


def test_agents_join_the_electorate_on_every_network(places: Places) -> None:
    (bind, join, witnesses) = read(
        places.agent_file(places.layout.host("cmp-3")),
        ("gossip_storage", "bind"),
        ("gossip_storage", "join"),
        ("electorate", "witnesses"),
    )
    assert bind == "10.91.2.23:7946"
    assert join == "10.91.2.11:7946,10.91.2.12:7946,10.91.2.13:7946"
    assert witnesses == "ctl-1,ctl-2,ctl-3"


def test_witness_does_not_join_itself(places: Places) -> None:
    (join,) = read(places.agent_file(places.layout.host("ctl-2")), ("gossip_tunnel", "join"))
    assert join == "10.91.3.11:7946,10.91.3.13:7946"


def test_second_rendering_keeps_keys_and_certificate(places: Places, passwords: Passwords) -> None:
    before = places.keyring.read_bytes(), places.webhook_certificate.read_bytes()
    ha_configuration.render_ha(places, passwords, project_id="p" * 32)
    assert (places.keyring.read_bytes(), places.webhook_certificate.read_bytes()) == before


def test_matrix_differs_from_the_shipped_one_in_settle_times_only(places: Places) -> None:
    ours = yaml.safe_load((places.remediation / "matrix.yaml").read_text())
    shipped = yaml.safe_load((PROJECT / "etc" / "remediation" / "matrix.yaml").read_text())
    settles = {}
    for row, original in zip(ours["networks"], shipped["networks"], strict=True):
        settles[row["name"]] = row.get("settle")
        assert row.get("settle", 0) <= original.get("settle", 0)
        row.pop("settle", None)
        original.pop("settle", None)
    assert ours == shipped
    assert settles["storage-lost"] == ha_configuration.STORAGE_SETTLE
    assert settles["tunnel-lost"] == ha_configuration.TUNNEL_SETTLE
    assert settles["all-lost"] == 0


def test_matrix_passes_the_operators_lint(places: Places) -> None:
    path = places.remediation / "matrix.yaml"
    assert not has_errors(lint(load(path.read_bytes(), file=str(path))))


def test_token_filter_is_told_where_its_options_are(places: Places) -> None:
    text = (places.etc / "aodh" / "api-paste.ini").read_text()
    assert f"oslo_config_file = {places.etc}/aodh/aodh.conf" in text


def test_database_users_own_only_what_is_theirs(places: Places, passwords: Passwords) -> None:
    statements = (places.etc / "mariadb" / "users.sql").read_text().splitlines()
    grants = {line.split("'")[1]: line for line in statements if line.startswith("GRANT ALL ON aodh.")}
    assert set(grants) == {"aodh"}
    assert sum(line.startswith("GRANT") for line in statements) == len(passwords.databases) + 2  # Nova has three.


def test_outside_every_endpoint_is_overridden(places: Places) -> None:
    cloud = yaml.safe_load(places.clouds_yaml.read_text())["clouds"]["minicloud"]
    for endpoint in endpoints.ALL:
        port = endpoint.port + openrc.PORT_OFFSET
        assert cloud[f"{endpoint.kind}_endpoint_override"].startswith(f"http://127.0.0.1:{port}")
        assert port < 65536


def test_dollar_in_a_value_is_not_substituted(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_text(ini.render({"DEFAULT": {"name": "a$b"}, "part": {"flag": True, "many": ["x", "y"]}}))
    assert read(path, ("DEFAULT", "name"), ("part", "flag")) == ["a$b", "true"]
    assert path.read_text().count("many = ") == 2
