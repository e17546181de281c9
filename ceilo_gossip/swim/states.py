"""The states of a member as SWIM sees it. The numbers are those of the push/pull message."""

import enum


class MemberState(enum.IntEnum):
    """What we believe of one member.

    ALIVE: it answers, or others say so. SUSPECT: a probe failed and it has not refuted yet. DEAD: the suspicion ran
    out. LEFT: it said good-bye itself, so its silence is no failure.
    """

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3
