"""What Aodh sends to the webhook, as its notifier writes it, around any verdict."""

import datetime
import uuid
from collections.abc import Collection
from typing import Any

from ceilo_gossip.contract.messaging import EVENT_TYPE_HEALTH
from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.contract.verdict import Verdict, to_payload

NOON = datetime.datetime(2026, 1, 31, 12, 0, tzinfo=datetime.UTC)


def make_verdict(*, host: str = "cmp-1", lost: Collection[Network] = (Network.STORAGE,)) -> Verdict:
    """Return a verdict on `host` that lost the networks `lost`."""
    return Verdict(
        verdict_id="v-1",
        sequence=7,
        repeat=0,
        host=host,
        speaker="cmp-2",
        networks={n: NetworkState.DOWN if n in lost else NetworkState.UP for n in Network},
        conditions=frozenset(),
        since=NOON.isoformat(),
        first_suspicion_at=NOON.isoformat(),
        concluded_at=NOON.isoformat(),
        reason="3 of 3 probes missed",
        boot_id="b-1",
        role="compute",
    )


def aodh_body(verdict: Verdict | None = None, *, message_id: str | None = None) -> dict[str, Any]:
    """Return the body of Aodh's request for an event alarm that `verdict` fired."""
    payload = to_payload(verdict or make_verdict(), project_id="p-1")
    traits = [[name, 2 if isinstance(value, int) else 1, value] for name, value in payload.items()]
    return {
        "alarm_id": "a-1",
        "alarm_name": "ceilo-gossip/storage-lost",
        "severity": "critical",
        "previous": "alarm",
        "current": "alarm",
        "reason": "Event hits the query.",
        "reason_data": {
            "type": "event",
            "event": {
                "message_id": message_id or str(uuid.uuid4()),
                "event_type": EVENT_TYPE_HEALTH,
                "generated": "2026-01-31T12:00:00.250000",
                "traits": traits,
                "raw": {},
            },
        },
    }
