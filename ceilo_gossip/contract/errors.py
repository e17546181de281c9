"""The one base of the errors that a malformed shared message raises."""


class ContractError(ValueError):
    """A message between the two packages is malformed.

    `place` names the field, `problem` says what is wrong with it and what would be right.
    """

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem
