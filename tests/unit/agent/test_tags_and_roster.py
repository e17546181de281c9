"""What hosts say about themselves, in gossip and in the roster on disk."""

import asyncio
import json
import pathlib

import pytest

from ceilo_gossip.agent.roster import MAX_ROSTER_BYTES, RosterKeeper, read_roster, write_roster
from ceilo_gossip.agent.tags import to_facts, to_tags
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.sighting import HostFacts

FACTS = HostFacts(role="compute", boot_id="9b2f2a80-3c1e-4e6c-a8c7-0123456789ab", networks=frozenset(Network))


def test_facts_survive_their_way_through_tags() -> None:
    assert to_facts(to_tags(FACTS, version="1.2.3")) == FACTS


def test_tags_leave_room_within_serfs_512_bytes() -> None:
    assert len(json.dumps(to_tags(FACTS, version="1.2.3.dev45")).encode()) < 256


@pytest.mark.parametrize(
    "tags", [{}, {"role": "x" * 500}, {"networks": "storage,,moon"}, {"networks": "management;storage"}]
)
def test_odd_tags_are_nothing_known_and_no_error(tags: dict[str, str]) -> None:
    facts = to_facts(tags)
    assert facts.networks <= {Network.STORAGE} and len(facts.role) <= 128


def test_roster_survives_the_disk(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "roster.json"
    write_roster(path, {"cmp-1": FACTS})
    assert read_roster(path) == {"cmp-1": FACTS}


def test_first_start_knows_nobody(tmp_path: pathlib.Path) -> None:
    assert read_roster(tmp_path / "absent.json") == {}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"cmp-1": 3}',
        '{"cmp-1": {}}',
        '{"cmp-1": {"role": "", "boot_id": "", "networks": ["moon"]}}',
        '{"cmp-1": {"role": "", "boot_id": "", "networks": 3}}',
        '{"../x": {"role": "", "boot_id": "", "networks": []}}',
        " " * (MAX_ROSTER_BYTES + 1),
    ],
)
def test_roster_that_cannot_be_read_is_passed_over(tmp_path: pathlib.Path, content: str) -> None:
    path = tmp_path / "roster.json"
    path.write_text(content)
    assert read_roster(path) == {}


@pytest.mark.asyncio
async def test_roster_is_written_when_it_changed(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "roster.json"
    keeper = RosterKeeper(path, {})
    keeper.keep({})
    keeper.keep({"cmp-1": FACTS})
    async with asyncio.timeout(10):
        while not path.exists():
            await asyncio.sleep(0)
    assert read_roster(path) == {"cmp-1": FACTS}
