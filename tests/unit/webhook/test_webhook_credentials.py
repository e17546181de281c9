"""Who may call: the one user with the one password, as bytes say it."""

import base64

import pytest

from remediation.webhook.credentials import Credentials

CREDENTIALS = Credentials("aodh", "s3cret:with@signs")


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_right_credentials_are_accepted(scheme: str) -> None:
    assert CREDENTIALS.complaint(basic("aodh:s3cret:with@signs").replace("Basic", scheme)) is None


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (None, "credentials are missing"),
        ("", "credentials are missing"),
        ("Bearer abc", "must be Basic"),
        ("Basic", "wrong user or password"),
        ("Basic ***", "not valid Basic"),
        ("Basic ü", "not valid Basic"),
        (basic("aodh:wrong"), "wrong user or password"),
        (basic("aodh:"), "wrong user or password"),
        (basic("root:s3cret:with@signs"), "wrong user or password"),
        (basic("aodh:s3cret:with@signs "), "wrong user or password"),
        (basic("a" * 9000), "must be Basic"),
    ],
)
def test_anything_else_is_refused_without_repeating_it(header: str | None, complaint: str) -> None:
    found = CREDENTIALS.complaint(header)
    assert found is not None
    assert complaint in found
    assert "s3cret" not in found


def test_password_has_no_repr() -> None:
    assert "s3cret" not in repr(CREDENTIALS)
