"""For any bytes: a matrix or a refusal with a place, and nothing else."""

import json

from hypothesis import given
from hypothesis import strategies as st

from ceilo_gossip.contract.networks import Network
from remediation.matrix.action import Action
from remediation.matrix.errors import MatrixError
from remediation.matrix.loader import load
from remediation.matrix.model import Matrix, combinations
from tests.support.matrices import SHIPPED, matrix_of

SHIPPED_BYTES = SHIPPED.read_bytes()
ACTIONS = st.fixed_dictionaries({lost: st.sampled_from(Action) for lost in combinations()})
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(Network),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def is_matrix_or_refusal(content: bytes) -> bool:
    try:
        return isinstance(load(content, file="m"), Matrix)
    except MatrixError as error:
        return bool(error.problems) and all(str(problem).startswith("m:") for problem in error.problems)


def written(matrix: Matrix) -> bytes:
    """Return `matrix` as a file; JSON is YAML."""
    rows = [
        {
            "name": row.name,
            "when": {str(n): str(state) for n, state in row.states.items()},
            "action": str(row.action),
            "settle": row.settle,
            "why": row.why,
        }
        for row in matrix.rows
    ]
    return json.dumps({"version": 1, "networks": rows}).encode()


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_matrix_or_a_refusal(content: bytes) -> None:
    assert is_matrix_or_refusal(content)


@given(st.integers(0, len(SHIPPED_BYTES) - 1), st.integers(0, 30), st.binary(max_size=12))
def test_damaged_matrix_is_a_matrix_or_a_refusal(start: int, length: int, replacement: bytes) -> None:
    assert is_matrix_or_refusal(SHIPPED_BYTES[:start] + replacement + SHIPPED_BYTES[start + length :])


@given(JSON_VALUES, st.sampled_from(["version", "networks", "row", "name", "when", "action", "settle", "why"]))
def test_any_value_in_any_place_is_a_matrix_or_a_refusal(value: object, place: str) -> None:
    document = json.loads(written(matrix_of({})))
    if place in document:
        document[place] = value
    elif place == "row":
        document["networks"][0] = value
    else:
        document["networks"][0][place] = value
    assert is_matrix_or_refusal(json.dumps(document).encode())


@given(ACTIONS)
def test_written_matrix_is_read_back_as_it_was(actions: dict[frozenset[Network], Action]) -> None:
    matrix = matrix_of(actions)
    assert load(written(matrix), file="m") == matrix
