"""The action URL holds credentials that come out at the other end as they went in, and are never shown."""

import pytest
import requests

from remediation.alarms import compiler
from remediation.alarms.destination import Destination, redact
from remediation.webhook.credentials import Credentials
from tests.support.matrices import shipped_matrix


@pytest.mark.parametrize("password", ["secret", "p@ss/w:rd?x#y", "100%", "a b"])
def test_credentials_in_the_url_are_those_that_the_webhook_accepts(password: str) -> None:
    url = Destination("https://h:8780", "aodh", password).action_url("all-lost")
    # Aodh's notifier hands the URL to requests, which makes a header of what stands before the "@".
    header = requests.Request("POST", url).prepare().headers["Authorization"]
    assert Credentials("aodh", password).complaint(header) is None


def test_row_is_the_query_parameter() -> None:
    url = Destination("https://h:8780/", "u", "p").action_url("all-lost")
    assert url == "https://u:p@h:8780/v1/alarm?row=all-lost"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://aodh:pw@h:1/x?row=a", "https://***@h:1/x?row=a"),
        ("Unsupported action http://u:p@a@h/x and ftp://v:q@i", "Unsupported action http://***@h/x and ftp://***@i"),
        ("mysql+pymysql://root:pw@10.0.0.1/db is away", "mysql+pymysql://***@10.0.0.1/db is away"),
        ("https://h/x mail a@b", "https://h/x mail a@b"),
    ],
)
def test_redacted_text_holds_no_credentials(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_nothing_that_is_printed_by_accident_holds_the_password() -> None:
    destination = Destination("https://h", "aodh", "tell-nobody")
    alarms = compiler.compile_matrix(shipped_matrix(), destination)
    assert "tell-nobody" in alarms[0].actions[0]
    assert "tell-nobody" not in f"{destination!r}{alarms!r}"
