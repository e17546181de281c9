"""The states of an incident. Only `machine` moves an incident from one to another."""

import enum


class State(enum.StrEnum):
    """Where an incident stands.

    RECEIVED     a call is stored, nobody has looked at it
    CONFIRMING   the agents are being asked, or the row's settle time runs
    HELD         nothing is done for a reason that may pass: too few agents answer, a guard holds
    DISABLING    the matrix wants scheduling disabled
    DRAINING     instances are live-migrated away
    WATCHING     the weaker action is done; the agents are asked until the host is well or worse
    FENCING      the host is being switched off
    FENCED       there is evidence that the host is off
    FORCED_DOWN  Nova was told that the host's compute service is down; scheduling is disabled next
    EVACUATING   evacuations are requested
    VERIFYING    all are accepted; each instance is looked for elsewhere, in the state it had
    RECOVERED    every instance runs elsewhere, or the host is well again; a fenced host has not returned yet
    CLOSED       a person closed it, or the fenced host was put back into service
    DISMISSED    the agents did not confirm the trouble
    ESCALATED    a person must decide; what can be tried again is tried again slowly
    """

    RECEIVED = "received"
    CONFIRMING = "confirming"
    HELD = "held"
    DISABLING = "disabling"
    DRAINING = "draining"
    WATCHING = "watching"
    FENCING = "fencing"
    FENCED = "fenced"
    FORCED_DOWN = "forced_down"
    EVACUATING = "evacuating"
    VERIFYING = "verifying"
    RECOVERED = "recovered"
    CLOSED = "closed"
    DISMISSED = "dismissed"
    ESCALATED = "escalated"
