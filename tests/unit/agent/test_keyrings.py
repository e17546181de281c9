"""The keys of a pool on the disk: what is used after a restart, who can read it, and what a crash leaves behind."""

import asyncio
import json
import logging
import os
import pathlib
import stat

import pytest

from ceilo_gossip.agent.keyrings import (
    KeyringKeeper,
    fingerprint,
    fingerprint_of_text,
    fingerprints,
    keyring_path,
    read_keyring,
    write_keyring,
)
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.serf.events import KeyringChanging, QueryReceived
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.keyring import Keyring

OLD, NEW = b"o" * 32, b"n" * 32
CONFIGURED, ROTATED = Keyring([OLD]), Keyring([NEW, OLD])


def read(path: pathlib.Path, configured: Keyring = CONFIGURED) -> Keyring:
    return read_keyring(path, configured, network=Network.STORAGE)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return keyring_path(tmp_path, Network.STORAGE)


def test_each_pool_has_a_file_of_its_own(tmp_path: pathlib.Path) -> None:
    assert {str(keyring_path(tmp_path, network).relative_to(tmp_path)) for network in Network} == {
        "keyrings/management.json",
        "keyrings/storage.json",
        "keyrings/tunnel.json",
    }


def test_configured_keys_are_used_until_others_are_stored(path: pathlib.Path) -> None:
    assert read(path) == CONFIGURED


def test_stored_keys_survive_a_restart(path: pathlib.Path) -> None:
    write_keyring(path, ROTATED, CONFIGURED)
    assert read(path) == ROTATED


def test_keyring_file_that_was_replaced_wins_and_stays_the_winner(
    path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_keyring(path, ROTATED, CONFIGURED)
    replaced = Keyring([b"r" * 32])
    assert read(path, replaced) == replaced
    assert "holds other keys than before" in caplog.text
    assert read(path) == CONFIGURED, "putting the former file back does not bring the stored keys back"


def test_order_of_the_configured_keys_counts_and_the_spaces_of_the_file_do_not(path: pathlib.Path) -> None:
    write_keyring(path, ROTATED, Keyring([OLD, NEW]))
    assert read(path, Keyring.from_json(json.dumps(json.loads(Keyring([OLD, NEW]).to_json()), indent=4))) == ROTATED
    assert read(path, Keyring([NEW, OLD])) == Keyring([NEW, OLD])


def test_only_the_owner_can_read_it(path: pathlib.Path) -> None:
    mask = os.umask(0)
    try:
        write_keyring(path, ROTATED, CONFIGURED)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_file_that_others_can_read_is_closed_and_told(path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    write_keyring(path, ROTATED, CONFIGURED)
    path.chmod(0o644)
    assert read(path) == ROTATED
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "had mode 0644" in caplog.text


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"configured": "x", "keys": "y"}', '{"configured": "x", "keys": []}', "\xff", "9" * 70000],
)
def test_damaged_file_is_not_used_and_that_is_an_error_in_the_log(
    path: pathlib.Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.touch(mode=0o600)
    path.write_text(content, encoding="latin-1")
    assert read(path) == CONFIGURED
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_write_that_fails_leaves_the_old_file_whole(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_keyring(path, ROTATED, CONFIGURED)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_keyring(path, Keyring([b"x" * 16]), CONFIGURED)
    assert read(path) == ROTATED


def test_left_over_of_a_crash_is_in_nobodys_way(path: pathlib.Path) -> None:
    path.parent.mkdir()
    path.with_suffix(".new").write_text("half of a keyr")
    write_keyring(path, ROTATED, CONFIGURED)
    assert read(path) == ROTATED and not path.with_suffix(".new").exists()


def test_keys_are_called_by_their_fingerprint() -> None:
    assert fingerprints(ROTATED) == [fingerprint(NEW), fingerprint(OLD)]
    assert fingerprints(None) == []
    assert len(fingerprint(NEW)) == 8
    assert fingerprint_of_text("what a peer sent") == "no key"


def change(keyring: Keyring) -> KeyringChanging:
    query = QueryReceived(1, 1, "_serf_install-key", b"", "ctl-2", 9.0, 1.0, Address("192.0.2.2", 7946))
    return KeyringChanging(query, keyring, 1.0)


@pytest.mark.asyncio
async def test_pool_is_told_stored_only_when_the_file_is_there(path: pathlib.Path) -> None:
    found: list[Keyring] = []
    keeper = KeyringKeeper(
        path,
        CONFIGURED,
        network=Network.STORAGE,
        stored=lambda change: found.append(read(path)),
        refused=lambda change, reason: pytest.fail(reason),
    )
    await keeper.keep(change(ROTATED))
    await keeper.keep(change(CONFIGURED))
    assert found == [ROTATED, CONFIGURED]


@pytest.mark.asyncio
async def test_pool_is_told_refused_when_the_disk_does_not_take_it(
    path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.write_text("no directory")
    refused: list[str] = []
    keeper = KeyringKeeper(
        path,
        CONFIGURED,
        network=Network.STORAGE,
        stored=lambda change: pytest.fail("nothing is stored"),
        refused=lambda change, reason: refused.append(reason),
    )
    await keeper.keep(change(ROTATED))
    assert refused == ["this member cannot store its keyring; look at its log"]
    assert "cannot be written" in caplog.text
    await asyncio.sleep(0)
