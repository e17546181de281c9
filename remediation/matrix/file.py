"""Reading the matrix from disk, never more of it than a matrix can have."""

from pathlib import Path

from remediation.matrix import lint, loader
from remediation.matrix.errors import MatrixError, Problem
from remediation.matrix.model import Matrix


def read(path: str) -> Matrix:
    """Return the matrix in the file at `path`. Raises MatrixError, also when the file cannot be read."""
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(loader.MAX_BYTES + 1)
    except OSError as error:
        raise MatrixError((Problem(path, 0, f"cannot be read: {error.strerror}"),)) from error
    return loader.load(content, file=path)


def read_sound(path: str) -> Matrix:
    """Return the matrix in the file at `path` when lint finds no errors in it.

    Raises MatrixError, which then holds lint's errors. Warnings are the operator's affair.
    """
    matrix = read(path)
    findings = lint.lint(matrix)
    if lint.has_errors(findings):
        raise MatrixError(lint.as_problems(findings, file=path))
    return matrix
