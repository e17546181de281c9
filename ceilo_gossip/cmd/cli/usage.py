"""What goes wrong with arguments that only a verb itself can judge."""


class UsageError(Exception):
    """The arguments cannot be worked with; one line that says what to give instead."""
