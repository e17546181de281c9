"""Why a request is refused; each refusal knows its HTTP code and the place in the request that is wrong.

Refusal                an answer of 4xx or 5xx
"""

from typing import Final

MAX_SHOWN: Final = 80  # Characters of a caller's text that an answer or a log line repeats.


class Refusal(Exception):
    """The request is answered with HTTP `code`; `place` names what is wrong, `problem` says how.

    Both are shown to the caller and logged, and so hold no credentials.
    """

    def __init__(self, code: int, place: str, problem: str) -> None:
        super().__init__(f"{code} {place}: {problem}")
        self.code = code
        self.place = place
        self.problem = problem


def shown(value: object) -> str:
    """Return what a caller sent, as it may be repeated: quoted, on one line, and short."""
    return repr(value)[:MAX_SHOWN]
