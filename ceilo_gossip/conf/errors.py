"""The one error of a configuration: where it is wrong, how, and what to do."""


class ConfError(Exception):
    """`[group] option` cannot be worked with; one line for an operator."""

    def __init__(self, group: str, option: str, problem: str, remedy: str) -> None:
        super().__init__(f"[{group}] {option}: {problem}; {remedy}")
        self.group = group
        self.option = option
        self.problem = problem
        self.remedy = remedy
