"""The matrix in force: replaced by a sound one, kept against any other."""

from pathlib import Path

import pytest

from remediation.matrix.errors import MatrixError
from remediation.webhook.current import CurrentMatrix
from tests.support.matrices import SHIPPED, shipped_matrix


@pytest.fixture
def path(tmp_path: Path) -> Path:
    copy = tmp_path / "matrix.yaml"
    copy.write_bytes(SHIPPED.read_bytes())
    return copy


def test_changed_matrix_is_in_force_after_a_reload(path: Path) -> None:
    current = CurrentMatrix(str(path))
    path.write_text(path.read_text().replace("name: all-lost", "name: dead"))
    assert current.matrix == shipped_matrix()
    assert current.reload()
    assert current.matrix.named("dead") is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [("action: drain", "action: explode"), ("    action: none", "    action: alert\n    settle: 0\n    why: x")],
)
def test_refused_matrix_leaves_the_former_one_in_force(
    path: Path, caplog: pytest.LogCaptureFixture, old: str, new: str
) -> None:
    current = CurrentMatrix(str(path))
    path.write_text(path.read_text().replace(old, new))
    assert not current.reload()
    assert current.matrix == shipped_matrix()
    assert "the former one stays in force" in caplog.text


def test_matrix_that_is_gone_leaves_the_former_one_in_force(path: Path) -> None:
    current = CurrentMatrix(str(path))
    path.unlink()
    assert not current.reload()
    assert current.matrix == shipped_matrix()


def test_start_with_a_matrix_that_lint_refuses_is_no_start(path: Path) -> None:
    path.write_text(path.read_text().replace("action: disable", "action: evacuate"))
    with pytest.raises(MatrixError, match="stops instances that still run"):
        CurrentMatrix(str(path))
