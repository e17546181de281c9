"""What happens in the pools and in the judge, as an operator's monitor is told it: plain data, one item for each.

Each item has `at` (wall-clock time, for people), `kind`, and, where it belongs to one pool, `network`.
"""

import base64
import datetime
from collections.abc import Mapping
from typing import Any

from ceilo_gossip.agent.keyrings import fingerprints
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.requests import Kind
from ceilo_gossip.health.events import Concluded, JudgeEvent, LateLeave, QuorumMoved
from ceilo_gossip.health.quorum import QuorumPhase
from ceilo_gossip.serf.events import (
    Event,
    KeyringChanging,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberReaped,
    MemberRefuted,
    MemberSuspected,
    MemberUpdated,
    NameConflict,
    NameLost,
    QueryReceived,
    UserEventReceived,
)

_MEMBER_KINDS: Mapping[type, Kind] = {
    MemberJoined: Kind.JOIN,
    MemberUpdated: Kind.UPDATE,
    MemberSuspected: Kind.SUSPECT,
    MemberRefuted: Kind.REFUTE,
    MemberFailed: Kind.FAILED,
    MemberLeft: Kind.LEAVE,
    MemberReaped: Kind.REAP,
}

Item = dict[str, Any]


def from_pool(network: Network, event: Event) -> Item | None:
    """Return what a pool's event is to a monitor; None if it is only for whoever asked for it."""
    match event:
        case MemberSuspected():
            return {"kind": Kind.SUSPECT, "network": network, "host": event.name, "by": event.accuser}
        case MemberJoined() | MemberUpdated() | MemberRefuted() | MemberFailed() | MemberLeft() | MemberReaped():
            return {"kind": _MEMBER_KINDS[type(event)], "network": network, "host": event.name}
        case UserEventReceived():
            found = {"kind": Kind.USER, "network": network, "name": event.name, "ltime": event.ltime}
            return found | payload_fields(event.payload)
        case QueryReceived():
            found = {"kind": Kind.QUERY, "network": network, "name": event.name, "by": event.source}
            return found | payload_fields(event.payload)
        case KeyringChanging():
            return {
                "kind": Kind.KEYRING,
                "network": network,
                "by": event.query.source,
                "name": event.query.name.removeprefix("_serf_"),
                "keys": fingerprints(event.keyring),
            }
        case NameConflict(address):
            return {"kind": Kind.CONFLICT, "network": network, "text": f"{address} uses this host's name as well"}
        case NameLost():
            text = "the majority knows another host under this host's name; rename one of the two"
            return {"kind": Kind.CONFLICT, "network": network, "text": text}
        case _:
            return None


def from_judge(event: JudgeEvent) -> Item | None:
    """Return what the judge's event is to a monitor; None for its questions, and for how it comes by a majority."""
    match event:
        case Concluded(conclusion, before):
            return {
                "kind": Kind.VERDICT,
                "host": conclusion.host,
                "networks": {str(n): str(conclusion.networks[n]) for n in Network},
                "before": None if before is None else {str(n): str(before.networks[n]) for n in Network},
                "reason": conclusion.reason,
            }
        case QuorumMoved(network, before_phase, after) if QuorumPhase.LOST in (before_phase, after):
            return {"kind": Kind.QUORUM, "network": network, "before": before_phase.value, "after": after.value}
        case LateLeave(network, host):
            reason = "called left after it was found DOWN; its verdict stays"
            return {"kind": Kind.VERDICT, "host": host, "network": network, "reason": reason}
        case _:
            return None


def dated(item: Item, wall: datetime.datetime) -> Item:
    """The item with its time, in front."""
    return {"at": wall.isoformat(timespec="milliseconds")} | item


def payload_fields(payload: bytes) -> Item:
    """The payload as text, None if it is none, and, whatever it is, in base64."""
    try:
        text: str | None = payload.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    return {"payload": text, "payload_base64": base64.b64encode(payload).decode("ascii")}
