"""For any table at all: what lint calls sound keeps the promises, and what it refuses breaks one."""

from hypothesis import given
from hypothesis import strategies as st

from ceilo_gossip.contract.networks import Network, NetworkState
from remediation.alarms import compiler
from remediation.alarms.destination import Destination
from remediation.matrix.action import Action
from remediation.matrix.lint import has_errors, lint
from remediation.matrix.model import combinations
from tests.support.matrices import matrix_of

ACTIONS = st.fixed_dictionaries({lost: st.sampled_from(Action) for lost in combinations()})
STATES = st.fixed_dictionaries({network: st.sampled_from(NetworkState) for network in Network})


# Of tables with random actions hardly one is sound; of these, most are.
CLIMBING = st.fixed_dictionaries({n: st.sampled_from(Action) for n in Network}).map(
    lambda single: {
        lost: max((single[network] for network in lost), key=lambda action: action.strength, default=Action.NONE)
        for lost in combinations()
    }
)


def is_breaking_a_promise(actions: dict[frozenset[Network], Action]) -> bool:
    """Say the same as lint's errors in other words: by looking at each combination and its direct successors."""
    if actions[frozenset()] is not Action.NONE or actions[frozenset({Network.MANAGEMENT})].is_fencing:
        return True
    for lost, action in actions.items():
        if action is Action.DRAIN and not lost <= {Network.TUNNEL}:
            return True
        if any(actions[lost | {network}].strength < action.strength for network in Network):
            return True
    return False


@given(ACTIONS | CLIMBING)
def test_table_is_refused_exactly_when_it_breaks_a_promise(actions: dict[frozenset[Network], Action]) -> None:
    assert has_errors(lint(matrix_of(actions))) == is_breaking_a_promise(actions)


@given(ACTIONS, STATES)
def test_unknown_never_asks_for_more_than_up_would(
    actions: dict[frozenset[Network], Action], states: dict[Network, NetworkState]
) -> None:
    matrix = matrix_of(actions)
    known = {n: NetworkState.UP if s is NetworkState.UNKNOWN else s for n, s in states.items()}
    assert matrix.row_for(states) == matrix.row_for(known)


@given(ACTIONS)
def test_compiled_alarms_say_the_same_as_any_table(actions: dict[frozenset[Network], Action]) -> None:
    matrix = matrix_of(actions)
    alarms = compiler.compile_matrix(matrix, Destination("https://h", "u", "p"))
    assert compiler.disagreements(matrix, alarms) == ()
    assert len(alarms) == sum(action is not Action.NONE for action in actions.values())


@given(ACTIONS, st.data())
def test_alarms_with_any_one_missing_do_not_say_the_same(
    actions: dict[frozenset[Network], Action], data: st.DataObject
) -> None:
    matrix = matrix_of(actions)
    alarms = list(compiler.compile_matrix(matrix, Destination("https://h", "u", "p")))
    if alarms:
        alarms.pop(data.draw(st.integers(0, len(alarms) - 1)))
        assert compiler.disagreements(matrix, alarms)
