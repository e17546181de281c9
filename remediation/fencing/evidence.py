"""Evidence of fencing: why a host is certain to be off.

Only a driver that has proof makes one. It is kept with the incident for good, so that a person can read later what an
evacuation rested on. There is no evidence of "perhaps": whatever is not proof is a `FenceError`.
"""

import dataclasses
import datetime
import json
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The host was seen to be off.

    host         Nova host name
    method       name of the driver that saw it, such as "ipmi"
    statement    one sentence: what the certainty rests on
    observed_at  wall-clock instant of the last observation, ISO 8601 in UTC; for people, never compared
    details      what a person may want to check later, as text; never a secret
    """

    host: str
    method: str
    statement: str
    observed_at: str
    details: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("host", "method", "statement"):
            if not getattr(self, name):
                raise ValueError(f"evidence of fencing needs a {name}")
        if datetime.datetime.fromisoformat(self.observed_at).tzinfo is None:
            raise ValueError(f"observed_at {self.observed_at!r} has no time zone")

    def to_json(self) -> str:
        """Return the evidence as one line of JSON, to be stored with the incident."""
        return json.dumps(
            {
                "host": self.host,
                "method": self.method,
                "statement": self.statement,
                "observed_at": self.observed_at,
                "details": dict(self.details),
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> "Evidence":
        """Rebuild evidence from `to_json`'s text. Raises ValueError or TypeError when it is not such a text."""
        return cls(**json.loads(text))
