"""The one error of the configuration: it names the group, the option and the remedy."""


class ConfigError(Exception):
    """The configuration cannot be used.

    `group` and `option` say where to look, `problem` says what is wrong there and what to write instead. The text is
    one line, without any secret; processes print it and exit with code 2.
    """

    def __init__(self, group: str, option: str, problem: str) -> None:
        super().__init__(f"[{group}] {option}: {problem}")
        self.group = group
        self.option = option
        self.problem = problem
