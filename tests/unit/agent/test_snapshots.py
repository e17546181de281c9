"""What a pool remembers over a restart: whole files, and nothing that a damaged one could do."""

import pathlib

import pytest

from ceilo_gossip.agent.snapshots import SnapshotKeeper, read_snapshot, snapshot_path, write_snapshot
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.serf.snapshot import Snapshot
from ceilo_gossip.wire.address import Address

KNOWN = Snapshot({"cmp-1": Address("192.0.2.21", 7946)}, clock=7, event_clock=3, query_clock=2)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return snapshot_path(tmp_path, Network.STORAGE)


def test_what_was_written_is_read(path: pathlib.Path) -> None:
    write_snapshot(path, KNOWN)
    assert read_snapshot(path, own_name="cmp-2") == KNOWN
    assert "alive: cmp-1 192.0.2.21:7946" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_known_at_the_first_start(path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_snapshot(path, own_name="cmp-2") is None and caplog.text == ""


def test_lines_that_cannot_be_read_are_passed_over_with_a_warning(
    path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_snapshot(path, KNOWN)
    path.write_bytes(path.read_bytes() + b"alive: \xff\nwhat: 9\n")
    assert read_snapshot(path, own_name="cmp-2") == KNOWN
    assert "2 lines of" in caplog.text


def test_file_that_cannot_be_read_is_passed_over_with_a_warning(
    path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.mkdir(parents=True)
    assert read_snapshot(path, own_name="cmp-2") is None and "is not used" in caplog.text


@pytest.mark.asyncio
async def test_each_pool_is_written_when_it_changed(tmp_path: pathlib.Path) -> None:
    keeper = SnapshotKeeper(tmp_path)
    await keeper.keep(dict.fromkeys(Network, KNOWN))
    for network in Network:
        assert read_snapshot(snapshot_path(tmp_path, network), own_name="cmp-2") == KNOWN
    changed = snapshot_path(tmp_path, Network.TUNNEL)
    changed.unlink()
    await keeper.keep(dict.fromkeys(Network, KNOWN))
    assert not changed.exists(), "nothing new is nothing to write"
    await keeper.keep({Network.TUNNEL: Snapshot(clock=8)})
    assert read_snapshot(changed, own_name="cmp-2") == Snapshot(clock=8)


@pytest.mark.asyncio
async def test_disk_that_is_full_is_a_warning(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "snapshots").write_text("no directory")
    await SnapshotKeeper(tmp_path).keep({Network.TUNNEL: KNOWN})
    assert "cannot be written" in caplog.text
