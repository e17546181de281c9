"""What the settings refuse: each impossible combination, naming group, option and remedy."""

import dataclasses
from typing import Any

import pytest

from remediation.conf.errors import ConfigError
from remediation.conf.settings import (
    CallerSettings,
    ConfirmSettings,
    DatabaseSettings,
    EngineConfiguration,
    EngineSettings,
    FencingSettings,
    GuardSettings,
    MatrixSettings,
    WebhookSettings,
)

CALLER = CallerSettings(public_url="https://ctl:8780", user="aodh", password="tell-nobody")
WEBHOOK = WebhookSettings(
    bind="0.0.0.0", port=8780, certificate="c.pem", key="k.pem", allow_plaintext=False, threads=16, caller=CALLER
)
CONFIRM = ConfirmSettings(witnesses=("ctl-1", "ctl-2", "ctl-3"), timeout=2)
FENCING = FencingSettings(inventory_file="/etc/bmc.yaml", operation_deadline=10, ladder=("ipmi",))
ENGINE = EngineSettings(host="ctl-1")
GUARDS = GuardSettings(storm_hosts=3, storm_window=60)
WHOLE = EngineConfiguration(
    database=DatabaseSettings(connection="sqlite://"),
    matrix=MatrixSettings(file="m.yaml"),
    confirm=CONFIRM,
    fencing=FENCING,
    engine=ENGINE,
    guards=GUARDS,
)


@pytest.mark.parametrize(
    ("settings", "change", "message"),
    [
        (WEBHOOK, {"key": None}, "[webhook] key: is missing although certificate is set"),
        (WEBHOOK, {"certificate": None}, "[webhook] certificate: is missing although key is set"),
        (WEBHOOK, {"certificate": None, "key": None}, "[webhook] certificate: is missing; set certificate and key, or"),
        (WEBHOOK, {"allow_plaintext": True}, "[webhook] allow_plaintext: is true although certificate is set"),
        (
            WEBHOOK,
            {"caller": dataclasses.replace(CALLER, public_url="http://ctl:8780")},
            "[webhook] public_url: is http although the webhook serves TLS",
        ),
        (WEBHOOK, {"threads": 0}, "[webhook] threads: is 0; write a number from 1 to 256"),
        (CALLER, {"public_url": "ctl:8780"}, "[webhook] public_url: is not an http or https URL; write for example"),
        (CALLER, {"public_url": "https://u:p@ctl:8780"}, "[webhook] public_url: holds credentials"),
        (CALLER, {"public_url": "https://ctl:8780/x"}, "[webhook] public_url: holds more than scheme, host and port"),
        (CALLER, {"public_url": "https://ctl:99999"}, "[webhook] public_url: has a port that is no number"),
        (CALLER, {"user": ""}, "[webhook] user: must not be empty"),
        (CALLER, {"user": "a:b"}, "[webhook] user: must not be empty nor hold a colon"),
        (CALLER, {"password": "passwörd"}, "[webhook] password_file: holds characters that are not printable ASCII"),
        (CONFIRM, {"witnesses": ()}, "[confirm] witnesses: names 0 hosts; an electorate has 3, 5 or 7"),
        (CONFIRM, {"witnesses": ("a", "b")}, "[confirm] witnesses: names 2 hosts"),
        (CONFIRM, {"witnesses": ("a", "b", "c", "d")}, "[confirm] witnesses: names 4 hosts"),
        (CONFIRM, {"witnesses": ("a", "b", "a")}, "[confirm] witnesses: names a host twice"),
        (CONFIRM, {"witnesses": ("a", "b", "c/d")}, "[confirm] witnesses: 'c/d' is not a host name"),
        (CONFIRM, {"timeout": 0}, "[confirm] timeout: is 0 s; write a number of seconds from 0.1 to 60"),
        (CONFIRM, {"timeout": float("nan")}, "[confirm] timeout: is nan s"),
        (FENCING, {"inventory_file": ""}, "[fencing] inventory_file: is missing"),
        (FENCING, {"operation_deadline": 0}, "[fencing] operation_deadline: is 0 s"),
        (FENCING, {"ladder": ()}, "[fencing] ladder: is empty, so that no host could ever be fenced"),
        (FENCING, {"ladder": ("ipmi", "ipmi")}, "[fencing] ladder: names a driver twice"),
        (ENGINE, {"host": ""}, "[engine] host: '' is no host name"),
        (ENGINE, {"poll_interval": 0}, "[engine] poll_interval: is 0 s"),
        (ENGINE, {"poll_interval": 20}, "[engine] lease: must be at least three times poll_interval (20 s)"),
        (ENGINE, {"lease": float("inf")}, "[engine] lease: is inf s"),
        (ENGINE, {"parallel_evacuations": 0}, "[engine] parallel_evacuations: is 0; write a number from 1 to 64"),
        (ENGINE, {"evacuation_timeout": -1}, "[engine] evacuation_timeout: is -1 s"),
        (GUARDS, {"storm_hosts": 1}, "[guards] storm_hosts: is 1; write a number from 2 to 1000"),
        (GUARDS, {"storm_window": 0}, "[guards] storm_window: is 0 s"),
        (
            WHOLE,
            {"fencing": dataclasses.replace(FENCING, operation_deadline=20)},
            "[engine] lease: must be at least twice [fencing] operation_deadline (20 s)",
        ),
        (
            WHOLE,
            {"confirm": dataclasses.replace(CONFIRM, timeout=16)},
            "[engine] lease: must be at least twice [confirm] timeout (16 s)",
        ),
        (WHOLE.database, {"connection": "incidents.db"}, "[database] connection: is no SQLAlchemy URL"),
        (WHOLE.matrix, {"file": ""}, "[matrix] file: is empty"),
    ],
)
def test_impossible_settings_are_refused(settings: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        dataclasses.replace(settings, **change)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert caught.value.group == message[1 : message.index("]")]


@pytest.mark.parametrize(("witnesses", "majority"), [("abc", 2), ("abcde", 3), ("abcdefg", 4)])
def test_majority_is_more_than_half_of_the_electorate(witnesses: str, majority: int) -> None:
    assert dataclasses.replace(CONFIRM, witnesses=tuple(witnesses)).majority == majority


def test_plain_http_is_allowed_when_asked_for() -> None:
    plain = dataclasses.replace(WEBHOOK, certificate=None, key=None, allow_plaintext=True)
    assert not plain.is_encrypted
    assert WEBHOOK.is_encrypted


def test_proxy_with_tls_may_stand_before_a_plain_webhook() -> None:
    plain = dataclasses.replace(WEBHOOK, certificate=None, key=None, allow_plaintext=True)
    assert plain.caller.public_url.startswith("https:")


def test_no_secret_is_in_a_repr() -> None:
    database = DatabaseSettings(connection="mysql+pymysql://root:tell-nobody@h/x")
    assert "tell-nobody" not in f"{WEBHOOK!r}{database!r}"
