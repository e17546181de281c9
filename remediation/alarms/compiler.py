"""From the matrix to event alarms, and the proof that both say the same. Pure.

One alarm for each row whose action is not `none`. It demands `down` of each network that the row has lost, and *not
down* of each that it has kept: so UNKNOWN counts as up, as in the matrix. Aodh has no `in` and takes a trait that is
missing for "not equal": a network that an event does not mention therefore counts as up too, never as lost.
"""

import itertools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ceilo_gossip.contract import messaging
from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.contract.verdict import SCHEMA_VERSION
from remediation.alarms.destination import Destination
from remediation.alarms.model import DESCRIPTION_MARK, NAME_PREFIX, EventAlarm, Query
from remediation.matrix.action import Action
from remediation.matrix.model import Matrix, Row

_SEVERITIES: Final = {
    Action.ALERT: "low",
    Action.DISABLE: "moderate",
    Action.DRAIN: "moderate",
    Action.EVACUATE_ON_PROOF: "critical",
    Action.EVACUATE: "critical",
}
# aodh/evaluator/event.py: COMPARATORS and _sanitize_trait_value; the two operators and types that we use.
_OPERATORS: Final[Mapping[str, Callable[[object, object], bool]]] = {"eq": operator.eq, "ne": operator.ne}
_TYPES: Final[Mapping[str, Callable[[str], object]]] = {"string": str, "integer": int}
_TRAIT: Final = "traits."


def compile_matrix(matrix: Matrix, destination: Destination) -> tuple[EventAlarm, ...]:
    """Return the alarms that Aodh must have, in the order of the matrix's rows."""
    return tuple(_compile_row(row, destination) for row in matrix.rows if row.action is not Action.NONE)


def _compile_row(row: Row, destination: Destination) -> EventAlarm:
    query = {Query(f"{_TRAIT}schema", "eq", "integer", str(SCHEMA_VERSION))}
    for network in Network:
        op = "eq" if network in row.lost else "ne"
        query.add(Query(f"{_TRAIT}{network}", op, "string", str(NetworkState.DOWN)))
    return EventAlarm(
        name=alarm_name(row.name),
        description=f"{DESCRIPTION_MARK} {row.action}: {row.why} Made by remediation-manage matrix apply; do not edit.",
        severity=_SEVERITIES[row.action],
        event_type=messaging.EVENT_TYPE_HEALTH,
        query=frozenset(query),
        actions=(destination.action_url(row.name),),
    )


def alarm_name(row: str) -> str:
    """Return the name of the alarm of the row called `row`."""
    return f"{NAME_PREFIX}{row}"


def fires(alarm: EventAlarm, event_type: str, traits: Mapping[str, object]) -> bool:
    """Return what Aodh's listener would: whether an event of `event_type` with `traits` fires `alarm`."""
    if not alarm.enabled or event_type != alarm.event_type:
        return False
    return all(
        _OPERATORS[query.op](traits.get(query.field.removeprefix(_TRAIT)), _TYPES[query.type](query.value))
        for query in alarm.query
    )


def disagreements(matrix: Matrix, alarms: Sequence[EventAlarm]) -> tuple[str, ...]:
    """Return each event on which `alarms`, evaluated as Aodh does, differ from `matrix`; none proves them equal.

    Every event there can be is tried: each network up, down, unknown, or not mentioned at all.
    """
    found = []
    for states in itertools.product((*NetworkState, None), repeat=len(Network)):
        told = {network: state for network, state in zip(Network, states, strict=True) if state is not None}
        traits: dict[str, object] = {"schema": SCHEMA_VERSION, **{str(n): str(state) for n, state in told.items()}}
        row = matrix.row_for({network: told.get(network, NetworkState.UNKNOWN) for network in Network})
        expected = [alarm_name(row.name)] if row.action is not Action.NONE else []
        fired = [alarm.name for alarm in alarms if fires(alarm, messaging.EVENT_TYPE_HEALTH, traits)]
        if fired != expected:
            seen = ", ".join(f"{network} {told.get(network, 'missing')}" for network in Network)
            found.append(f"on {seen}: alarms {fired or 'none'} fire, the matrix wants {expected or 'none'}")
    return tuple(found)
