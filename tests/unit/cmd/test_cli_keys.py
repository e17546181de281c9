"""`ceilo-gossip keys`: where a key is read from, what is shown of it, and what an operator is told to do next."""

import base64
import json
import pathlib
import stat
import sys
from typing import Any

import pytest

from ceilo_gossip.agent.keyrings import fingerprint
from ceilo_gossip.cmd.cli import keys
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.requests import KeyOperation, KeysRequest
from tests.support.served_agent import Served, lines

KEY = bytes(range(32))
KEY_TEXT = base64.b64encode(KEY).decode()
FINGERPRINT = "630dcd29"  # The first digits of the SHA-256 of KEY.
KEYS: dict[str, Any] = {
    "members": 3,
    "answered": 2,
    "has_succeeded": False,
    "silent": ["cmp-3"],
    "away": ["cmp-4"],
    "errors": {"cmp-2": "it cannot store its keyring"},
    "remarks": {},
    "keys": [{"fingerprint": FINGERPRINT, "members": 2, "primary_of": 1, "missing_at": ["cmp-2"]}],
}


def test_key_list_shows_fingerprints_and_who_is_missing(served: Served) -> None:
    served.source.answers["keys"] = {"operation": "list", "has_succeeded": False, "networks": {"storage": KEYS}}
    code, out, _ = served.run("keys", "list")
    assert code == 1, "not every member answered"
    assert ["storage", FINGERPRINT, "1 of 3", "2 of 3", "cmp-2"] in lines(out)
    assert "storage: cmp-3 did not answer" in out
    assert "cmp-2: it cannot store its keyring" in out
    assert "when they return: cmp-4" in out


def test_key_list_shows_keys_only_when_asked(served: Served) -> None:
    listed = KEYS | {"keys": [{**KEYS["keys"][0], "key": KEY_TEXT}]}
    served.source.answers["keys"] = {"operation": "list", "has_succeeded": True, "networks": {"storage": listed}}
    assert KEY_TEXT in served.printed("keys", "list", "--show-keys")
    assert served.source.asked == [KeysRequest(operation=KeyOperation.LIST, show_keys=True)]
    assert KEY_TEXT not in served.printed("keys", "list")


def test_key_is_read_from_a_file_and_the_next_step_is_told(served: Served, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(KEY_TEXT + "\n")
    done = KEYS | {"has_succeeded": True, "silent": [], "errors": {}, "answered": 3}
    served.source.answers["keys"] = {"operation": "install", "has_succeeded": True, "networks": {"storage": done}}
    code, out, err = served.run("keys", "install", "--key-file", str(file))
    (asked,) = served.source.asked
    assert isinstance(asked, KeysRequest) and asked.key == KEY
    assert code == 0 and ["storage", "3", "3", FINGERPRINT, "installed by all"] in lines(out)
    assert f"next: ceilo-gossip keys use {FINGERPRINT}" in err
    assert KEY_TEXT not in out + err


def test_key_is_read_from_standard_input(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    piped = tmp_path / "piped"
    piped.write_text(KEY_TEXT)
    served.source.answers["keys"] = {"operation": "use", "has_succeeded": False, "networks": {"storage": KEYS}}
    with piped.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        code, out, err = served.run("keys", "use", "--force")
    (asked,) = served.source.asked
    assert isinstance(asked, KeysRequest) and (asked.key, asked.force) == (KEY, True)
    assert code == 1 and "NOT done by all" in out
    assert f"do this one again, which does no harm where it was done: ceilo-gossip keys use {FINGERPRINT}" in err


def test_key_is_named_by_its_fingerprint(served: Served) -> None:
    served.source.answers["keys"] = {"operation": "remove", "has_succeeded": True, "networks": {}}
    code, _, err = served.run("keys", "remove", FINGERPRINT.upper(), "--network", "tunnel")
    assert served.source.asked == [
        KeysRequest(operation=KeyOperation.REMOVE, fingerprint=FINGERPRINT, networks=(Network.TUNNEL,))
    ]
    assert code == 0 and "put the present keys into keyring_file on every host" in err


@pytest.mark.parametrize("operation", ["install", "use", "remove"])
def test_key_among_the_arguments_is_refused_and_not_repeated(served: Served, operation: str) -> None:
    code, out, err = served.run("keys", operation, KEY_TEXT)
    assert code == 2 and "everybody on this host can read arguments" in err
    assert KEY_TEXT not in out + err and served.source.asked == []


@pytest.mark.parametrize(
    ("content", "mode", "error"),
    [
        (KEY_TEXT, 0o640, "has mode 0640"),
        (KEY_TEXT, 0o604, "has mode 0604"),
        ("", 0o600, "holds no key"),
        (json.dumps([KEY_TEXT]), 0o600, "holds no key"),
        (KEY_TEXT[:24], 0o600, "holds no key"),
        ("\xff\x00", 0o600, "holds no key"),
    ],
)
def test_key_file_that_will_not_do_is_refused(
    served: Served, tmp_path: pathlib.Path, content: str, mode: int, error: str
) -> None:
    file = tmp_path / "key"
    file.write_text(content, encoding="latin-1")
    file.chmod(mode)
    code, out, err = served.run("keys", "install", "--key-file", str(file))
    assert code == 2 and error in err and KEY_TEXT not in out + err
    assert served.run("keys", "use", "--key-file", str(tmp_path / "absent"))[0] == 2
    assert served.source.asked == []


def test_key_that_is_made_is_shown_only_when_asked_and_kept_where_asked(served: Served, tmp_path: pathlib.Path) -> None:
    served.source.answers["keys"] = {"operation": "install", "has_succeeded": True, "networks": {}}
    file = tmp_path / "new.key"
    code, out, err = served.run("keys", "install", "--generate", "--key-file", str(file))
    (asked,) = served.source.asked
    assert isinstance(asked, KeysRequest) and asked.key is not None and len(asked.key) == 32
    text = base64.b64encode(asked.key).decode()
    assert code == 0 and text not in out + err
    assert file.read_text() == text + "\n" and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert served.run("keys", "install", "--generate", "--key-file", str(file))[0] == 2, "a file is not overwritten"
    _, out, _ = served.run("keys", "install", "--generate", "--show-key")
    assert isinstance(last := served.source.asked[-1], KeysRequest) and last.key != asked.key
    assert base64.b64encode(last.key or b"").decode() in out


@pytest.mark.parametrize(
    "words",
    [("install", "--show-key"), ("install", "--generate", FINGERPRINT), ("use", FINGERPRINT, "--key-file", "x")],
)
def test_options_about_keys_that_contradict_each_other_are_exit_code_2(served: Served, words: tuple[str, ...]) -> None:
    assert served.run("keys", *words)[0] == 2 and served.source.asked == []


def test_fingerprint_is_the_one_that_the_agent_uses() -> None:
    assert keys._fingerprint(KEY) == fingerprint(KEY) == FINGERPRINT
