"""The error of a matrix that cannot be used: every problem with its file, line and remedy."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """`text` says what is wrong at `line` of `file`, and the remedy. Lines count from 1; 0 means the whole file."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


class MatrixError(ValueError):
    """A matrix is refused; `problems` are all that were found, in the order of their lines. Never empty."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        assert problems
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
