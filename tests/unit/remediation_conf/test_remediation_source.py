"""From files to settings: what is read, and what is refused on the way."""

import logging
import re
import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest
from keystoneauth1.identity.generic import Password

from remediation.conf import keystone, load, opts, source
from remediation.conf.errors import ConfigError
from remediation.conf.settings import ApiConfiguration, EngineConfiguration

SAMPLE = Path(__file__).resolve().parents[3] / "etc" / "remediation" / "remediation.conf.sample"
LAB = {"CEILO_GOSSIP_LAB": "1"}


class Files:
    """A directory with a configuration that is right, to be made wrong one value at a time."""

    def __init__(self, directory: Path) -> None:
        self.password_file = directory / "password"
        self.password_file.write_text("s3cret\n")
        self.password_file.chmod(0o600)
        self._file = directory / "remediation.conf"
        self.groups: dict[str, dict[str, str]] = {
            "database": {"connection": "sqlite://"},
            "webhook": {
                "public_url": "https://ctl:8780/",
                "password_file": str(self.password_file),
                "certificate": "c.pem",
                "key": "k.pem",
            },
            "confirm": {"witnesses": "ctl-1, ctl-2, ctl-3"},
            "fencing": {"inventory_file": "/etc/bmc.yaml"},
            "engine": {"host": "ctl-1"},
        }

    def set(self, group: str, option: str, value: str) -> None:
        self.groups.setdefault(group, {})[option] = value

    def _written(self) -> list[str]:
        lines = []
        for group, options in self.groups.items():
            lines += [f"[{group}]", *(f"{option} = {value}" for option, value in options.items())]
        self._file.write_text("\n".join(lines))
        return ["--config-file", str(self._file)]

    def parsed(self) -> "source.cfg.ConfigOpts":
        return source.parse(self._written(), prog="test")

    def api(self) -> ApiConfiguration:
        return load.api_configuration(self.parsed())

    def engine(self, environment: Mapping[str, str] | None = None) -> EngineConfiguration:
        return load.engine_configuration(self.parsed(), environment=environment or {})


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_smallest_configuration_is_enough_for_the_api(files: Files) -> None:
    settings = files.api()
    assert (settings.webhook.bind, settings.webhook.port) == ("0.0.0.0", 8780)
    assert settings.webhook.caller.password == "s3cret"
    assert settings.webhook.caller.public_url == "https://ctl:8780"


def test_smallest_configuration_is_enough_for_the_engine(files: Files) -> None:
    settings = files.engine()
    assert settings.confirm.witnesses == ("ctl-1", "ctl-2", "ctl-3")
    assert (settings.engine.poll_interval, settings.engine.lease, settings.engine.parallel_evacuations) == (0.25, 30, 4)
    assert settings.fencing.ladder == ("ipmi",)
    assert not settings.engine.lab_skip_fencing


@pytest.mark.parametrize(
    ("group", "option", "value", "message"),
    [
        ("webhook", "port", "many", "[webhook] port: "),
        ("webhook", "port", "70000", "[webhook] port: "),
        ("webhook", "public_url", "", "[webhook] public_url: is missing"),
        ("webhook", "password_file", "", "[webhook] password_file: is missing; name a file, mode 0600"),
        ("webhook", "password_file", "/nowhere/x", "[webhook] password_file: cannot read /nowhere/x: No such file"),
        ("webhook", "pasword_file", "x", "[webhook] pasword_file: is no option"),
        ("webhook", "colour", "red", "[webhook] colour: is no option"),
        ("matrix", "fiel", "x", "[matrix] fiel: is no option"),
    ],
)
def test_wrong_option_of_the_api_is_named(files: Files, group: str, option: str, value: str, message: str) -> None:
    files.set(group, option, value)
    with pytest.raises(ConfigError) as caught:
        files.api()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("group", "option", "value", "message"),
    [
        ("confirm", "witnesses", "ctl-1", "[confirm] witnesses: names 1 hosts"),
        ("confirm", "timeout", "soon", "[confirm] timeout: "),
        ("fencing", "inventory_file", "", "[fencing] inventory_file: is missing"),
        ("engine", "lease", "5", "[engine] lease: must be at least twice [fencing] operation_deadline"),
        ("guards", "storm_hosts", "0", "[guards] storm_hosts: is 0"),
        ("engine", "paralel_evacuations", "9", "[engine] paralel_evacuations: is no option"),
    ],
)
def test_wrong_option_of_the_engine_is_named(files: Files, group: str, option: str, value: str, message: str) -> None:
    files.set(group, option, value)
    with pytest.raises(ConfigError) as caught:
        files.engine()
    assert str(caught.value).startswith(message)


def test_misspelt_option_is_told_its_right_spelling(files: Files) -> None:
    files.set("guards", "storm_host", "3")
    with pytest.raises(ConfigError, match=r"did you mean storm_hosts\?"):
        files.engine()


def test_file_that_is_missing_or_malformed_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.conf"):
        source.parse(["--config-file", str(tmp_path / "nowhere.conf")], prog="test")
    broken = tmp_path / "broken.conf"
    broken.write_text("no section\n")
    with pytest.raises(ConfigError, match=r"broken\.conf"):
        source.parse(["--config-file", str(broken)], prog="test")


@pytest.mark.parametrize(
    "text",
    [
        "[database]\nconnection s3cretPW\n",
        "[database]\n[s3cretPW\n",
        "# A comment.\nconnection = mysql+pymysql://u:s3cretPW@192.0.2.1/db\n",
    ],
)
def test_malformed_line_is_named_and_not_quoted(tmp_path: Path, text: str) -> None:
    broken = tmp_path / "broken.conf"
    broken.write_text(text)
    with pytest.raises(ConfigError, match=r"broken\.conf is malformed in line 2; write") as caught:
        source.parse(["--config-file", str(broken)], prog="test")
    assert "s3cretPW" not in "".join(traceback.format_exception(caught.value))


def test_line_that_is_cut_in_the_wrong_place_is_not_quoted(files: Files) -> None:
    files.set("webhook", "password s3cretPW:x", "y")
    with pytest.raises(ConfigError, match=r"\[webhook\] config_file: .*remediation\.conf has a line") as caught:
        files.api()
    assert "s3cretPW" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_password_file_open_to_all_is_refused(files: Files, mode: int) -> None:
    files.password_file.chmod(mode)
    with pytest.raises(ConfigError, match="is open to all users; run: chmod o-rwx"):
        files.api()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"\nsecond", "is empty"), (b"x" * 5000, "is larger than"), (b"\xff\xfe", "is not UTF-8")],
)
def test_password_file_without_a_password_is_refused_without_being_quoted(
    files: Files, content: bytes, message: str
) -> None:
    files.password_file.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        files.api()
    assert "xxx" not in str(caught.value)
    assert "second" not in str(caught.value)


def test_directory_is_no_password_file(files: Files, tmp_path: Path) -> None:
    files.set("webhook", "password_file", str(tmp_path))
    with pytest.raises(ConfigError, match="is not a regular file"):
        files.api()


@pytest.mark.parametrize("environment", [{}, {"CEILO_GOSSIP_LAB": "0"}, {"CEILO_GOSSIP_LAB": "true"}])
def test_fencing_cannot_be_left_out_outside_the_lab(files: Files, environment: dict[str, str]) -> None:
    files.set("engine", "lab_skip_fencing", "true")
    with pytest.raises(ConfigError, match=r"\[engine\] lab_skip_fencing: is for the lab only"):
        files.engine(environment)


def test_fencing_left_out_in_the_lab_is_announced(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    files.set("engine", "lab_skip_fencing", "true")
    assert files.engine(LAB).engine.lab_skip_fencing
    assert [r.levelno for r in caplog.records if "FENCING IS LEFT OUT" in r.getMessage()] == [logging.WARNING]


def test_fencing_is_left_in_in_the_lab_too_unless_asked(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    assert not files.engine(LAB).engine.lab_skip_fencing
    assert "FENCING" not in caplog.text


def test_hidden_option_is_not_in_the_generated_sample() -> None:
    shown = [option.name for _, options in opts.list_opts() for option in options]
    assert "evacuation_timeout" in shown
    assert "lab_skip_fencing" not in shown


def test_credentials_come_from_the_group_with_the_password_from_its_file(files: Files) -> None:
    files.groups["aodh"] = {
        "auth_type": "password",
        "auth_url": "http://ctl:5000/v3",
        "username": "u",
        "project_name": "p",
        "password_file": str(files.password_file),
    }
    session = keystone.load_session(files.parsed(), "aodh", environment={})
    assert isinstance(session.auth, Password)
    assert session.auth._password == "s3cret"


def test_credentials_come_from_the_environment_when_the_group_has_none(files: Files) -> None:
    environment = {"OS_AUTH_URL": "http://ctl:5000/v3", "OS_USERNAME": "u", "OS_PASSWORD": "pw", "OS_PROJECT_NAME": "p"}
    session = keystone.load_session(files.parsed(), "aodh", environment=environment)
    assert session.auth._username == "u"
    assert session.auth._password == "pw"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, r"\[aodh\] auth_type: is missing; set auth_type = password"),
        ({"OS_AUTH_URL": "x", "OS_AUTH_TYPE": "magic"}, r"\[aodh\] auth_type: neither set nor usable"),
        ({"OS_AUTH_URL": "x"}, r"\[aodh\] username: is missing; set the environment's OS_USERNAME or"),
        ({"OS_AUTH_URL": "x", "OS_USERNAME": "u"}, r"\[aodh\] password: is missing"),
    ],
)
def test_missing_credentials_are_told(files: Files, environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        keystone.load_session(files.parsed(), "aodh", environment=environment)


@pytest.mark.parametrize("option", ["auth_url", "username", "password", "project_name"])
def test_group_with_a_part_of_the_credentials_missing_is_told_which(files: Files, option: str) -> None:
    files.groups["nova"] = {"auth_type": "password", "auth_url": "http://x", "username": "u", "project_name": "p"}
    files.set("nova", "password", "pw")
    del files.groups["nova"][option]
    with pytest.raises(ConfigError, match=rf"^\[nova\] .*\b{option}\b"):
        keystone.load_session(files.parsed(), "nova", environment={})


def test_unknown_kind_of_credentials_is_told(files: Files) -> None:
    files.set("nova", "auth_type", "magic")
    with pytest.raises(ConfigError, match=r"\[nova\] auth_type: "):
        keystone.load_session(files.parsed(), "nova", environment={})


def test_shipped_sample_is_spelt_right_and_shows_every_option() -> None:
    source.parse(["--config-file", str(SAMPLE)], prog="test")
    text = SAMPLE.read_text()
    shown = set(re.findall(r"^#?([a-z_]+) = ", text, re.MULTILINE))
    ours = {option.name for options in opts.OWN_GROUPS.values() for option in options}
    assert ours - shown == {"lab_skip_fencing"}


def test_defaults_in_the_shipped_sample_are_the_defaults() -> None:
    conf = source.parse(["--config-file", str(SAMPLE)], prog="test")
    group = ""
    for line in SAMPLE.read_text().splitlines():
        if line.startswith("["):
            group = line.strip("[]")
        found = re.match(r"#([a-z_]+) = (.*)", line)
        if found and group in opts.OWN_GROUPS and found[1] != "host":  # Each machine has its own default.
            assert found[2] == _as_written(conf[group][found[1]]), line


def _as_written(value: object) -> str:
    """Return an option's value as it stands in a file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
