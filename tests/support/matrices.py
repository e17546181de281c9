"""Matrices for tests: the shipped one, and others made from rows."""

from collections.abc import Mapping
from pathlib import Path

from ceilo_gossip.contract.networks import Network
from remediation.matrix.action import Action
from remediation.matrix.loader import load
from remediation.matrix.model import Matrix, Row, combinations

SHIPPED = Path(__file__).resolve().parents[2] / "etc" / "remediation" / "matrix.yaml"
MANAGEMENT, STORAGE, TUNNEL = Network


def shipped_matrix() -> Matrix:
    """Return the matrix of etc/remediation/matrix.yaml."""
    return load(SHIPPED.read_bytes(), file=str(SHIPPED))


def row_name(lost: frozenset[Network]) -> str:
    """Return a name that tells what is lost."""
    return "-".join(["lost", *(n for n in Network if n in lost)])


def matrix_of(actions: Mapping[frozenset[Network], Action]) -> Matrix:
    """Return a matrix with these actions, and `none` for every other combination."""
    return Matrix(
        tuple(
            Row(name=row_name(lost), lost=lost, action=actions.get(lost, Action.NONE), settle=30, why="because")
            for lost in combinations()
        )
    )
