"""What can be done about a host, and which of two actions is the stronger one."""

import enum
from typing import Final


class Action(enum.StrEnum):
    """What a row of the matrix calls for. Each action but NONE also tells people.

    NONE              nothing is wrong
    ALERT             people are told
    DISABLE           and no new instance is scheduled to the host
    DRAIN             and its instances are live-migrated away
    EVACUATE_ON_PROOF the host is fenced, with positive proof from its power supply only, and evacuated; without such
                      proof the incident is held and a person is called
    EVACUATE          the host is fenced, with any evidence that the design accepts, and evacuated
    """

    NONE = "none"
    ALERT = "alert"
    DISABLE = "disable"
    DRAIN = "drain"
    EVACUATE_ON_PROOF = "evacuate-on-proof"
    EVACUATE = "evacuate"

    @property
    def strength(self) -> int:
        """How far the action goes, from 0; of two actions the one with the larger strength is the stronger."""
        return _ORDER.index(self)

    @property
    def is_fencing(self) -> bool:
        """Whether the action takes the host's power away."""
        return self in (Action.EVACUATE, Action.EVACUATE_ON_PROOF)


# "Stronger" means "acts in more cases, and goes further when it acts". EVACUATE_ON_PROOF ends as EVACUATE does, but
# only in some of the cases (those with positive proof): so it is the weaker of the two, and stronger than everything
# that never fences. With this order the default matrix never weakens as more is lost: {management, tunnel} on proof
# lies above its parts (disable, drain) and below {management, storage, tunnel} (evacuate). It is not compared with
# {storage} (evacuate): neither combination contains the other.
_ORDER: Final = (
    Action.NONE,
    Action.ALERT,
    Action.DISABLE,
    Action.DRAIN,
    Action.EVACUATE_ON_PROOF,
    Action.EVACUATE,
)
assert len(_ORDER) == len(Action)
