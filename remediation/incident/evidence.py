"""Evidence of fencing: why we may believe that a host is off.

Nothing is evacuated without one: `Evacuate` steps and the port that carries them out take an `Evidence`, and it can
be had only from the fencing ladder, or from the lab's option, which names itself.
"""

import dataclasses
from typing import Final

LAB_METHOD: Final = "none: left out on purpose (lab)"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`method` proved at `at` that the host is off; `text` says what was seen.

    method  name of the fencing driver, or LAB_METHOD
    text    one sentence for an operator: what the proof rests on
    at      when it was seen, ISO 8601 in UTC
    """

    method: str
    text: str
    at: str

    def __post_init__(self) -> None:
        if not (self.method and self.text and self.at):
            raise ValueError("evidence of fencing needs a method, a text and a time: no answer is never proof")

    @property
    def is_proof(self) -> bool:
        """Whether the host was really seen off; false only for the lab's run without fencing."""
        return self.method != LAB_METHOD


def lab_evidence(at: str) -> Evidence:
    """Return what stands in for evidence when the lab leaves fencing out to show why it is needed."""
    return Evidence(method=LAB_METHOD, text="fencing was left out; instances may now run twice", at=at)
