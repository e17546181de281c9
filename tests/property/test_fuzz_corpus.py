"""What the fuzzer found interesting is run again each time, without the fuzzer."""

import pytest

from ceilo_gossip.serf.events import QueryReceived, UserEventReceived
from ceilo_gossip.swim.events import MemberFailed, MemberJoined, MemberLeft, MemberRefuted, MemberSuspected
from tests.fuzz.corpus import DIRECTORY, kept, seeds_of
from tests.fuzz.member import STEPS, Step, bytes_of, drive, steps_of
from tests.fuzz.mutation import DICTIONARY
from tests.fuzz.targets import TARGETS

# If the stories no longer come this far, the fuzzer wants another run.
LIFE = {MemberJoined, MemberSuspected, MemberRefuted, MemberFailed, MemberLeft, UserEventReceived, QueryReceived}
# What a member counts when something has reached its bound.
LIMITS = {
    *("newcomers_put_off", "members_over_limit", "streams_over_limit", "relays_over_limit"),
    "query_responses_over_limit",
}


@pytest.mark.parametrize("target", TARGETS)
def test_every_kept_input_and_every_vector_is_read_without_harm(target: str) -> None:
    seeds = seeds_of(target)
    assert seeds
    for seed in seeds:
        try:
            TARGETS[target](seed)
        except BaseException as error:
            error.add_note(f"target {target}, input {seed.hex()}")
            raise


def test_file_of_a_target_that_is_no_more_is_noticed() -> None:
    assert {file.stem for file in DIRECTORY.glob("*")} <= set(TARGETS)


def test_steps_of_a_story_come_back_from_their_bytes() -> None:
    steps = [Step(kind, bytes(range(kind))) for kind in range(len(STEPS))]
    assert list(steps_of(bytes_of(3, steps))) == steps


def test_kept_stories_lead_a_member_through_its_life_and_to_its_bounds() -> None:
    told: set[type] = set()
    counted: set[str] = set()
    for data in kept("member"):
        story = drive(data)
        told |= story.told
        counted |= {name for name, count in story.serf.counters.items() if count}
    assert told >= LIFE
    assert counted >= LIMITS


def test_dictionary_holds_the_names_of_fields_as_msgpack_writes_them() -> None:
    assert '"\\xa5\\x53\\x65\\x71\\x4e\\x6f"' in DICTIONARY
