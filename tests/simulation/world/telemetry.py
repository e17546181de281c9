"""Ceilometer's event agent and Aodh's listener and notifier, with the manners that were seen at the real ones.

    agent -> bus -> Ceilometer (traits) -> bus -> listener (alarms, database) -> bus -> notifier -> webhook

* The listener knows the alarms that it read up to `cache_ttl` ago: a new one is not fired, a deleted one still is.
* While the database is away, the listener loses each event: it logs the error and acknowledges.
* An alarm without `repeat_actions` calls once, for ever.
* The notifier never calls again after an answer of 5xx, or none at all. Killed over a call, it loses it or, as its
  message was not acknowledged, makes it twice, perhaps long after.
"""

import datetime
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ceilo_gossip.contract.messaging import EVENT_TOPIC
from ceilo_gossip.contract.networks import Network
from remediation.alarms.model import StoredAlarm
from tests.simulation.world.broker import Broker, Consumer, Message, Service
from tests.simulation.world.fabric import Fabric
from tests.simulation.world.kernel import Kernel
from tests.simulation.world.trace import Trace
from tests.simulation.world.webhook import WebhookProcess

ALARM_TOPIC, NOTIFY_TOPIC = "alarm.all", "alarm_notifier"
_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {"eq": operator.eq, "ne": operator.ne}
_TYPES: Final[Mapping[str, Callable[[str], Any]]] = {"string": str, "integer": int, "float": float}


class Telemetry:
    """All of it. `webhook_of` returns the webhook of a controller, or None; `alarms` what Aodh has stored."""

    def __init__(
        self,
        broker: Broker,
        database: Service,
        controllers: Sequence[str],
        kernel: Kernel,
        trace: Trace,
        fabric: Fabric,
        *,
        alarms: Callable[[], Sequence[StoredAlarm]],
        webhook_of: Callable[[str], WebhookProcess | None],
        wall_at: Callable[[float], datetime.datetime],
        cache_ttl: float,
    ) -> None:
        self._broker = broker
        self._database = database
        self._controllers = tuple(controllers)
        self._kernel = kernel
        self._trace = trace
        self._fabric = fabric
        self._alarms = alarms
        self._webhook_of = webhook_of
        self._wall_at = wall_at
        self._cache_ttl = cache_ttl
        self._cache: Sequence[StoredAlarm] = ()
        self._cached_at: float | None = None
        self._fired: set[str] = set()
        self._rng = kernel.stream("telemetry")
        # Latencies: 22 ms median, 38 ms at the 95th percentile for all of it (reference: telemetry).
        self.ceilometer = Consumer(
            "ceilometer", EVENT_TOPIC, broker, kernel, work=self._make_event, delay=(0.004, 0.015)
        )
        self.listener = Consumer("listener", ALARM_TOPIC, broker, kernel, work=self._evaluate, delay=(0.004, 0.012))
        self.notifier = Consumer("notifier", NOTIFY_TOPIC, broker, kernel, work=self._notify, delay=(0.003, 0.010))
        self.doubles = 0.0  # Probability that the notifier's message is delivered once more.
        self.late = 0.0  # Seconds at most that a call may be late.
        self.loses = 0.0  # Probability that the notifier loses a call.

    @property
    def consumers(self) -> Mapping[str, Consumer]:
        """The services, by name."""
        return {one.name: one for one in (self.ceilometer, self.listener, self.notifier)}

    # Ceilometer.

    def _make_event(self, message: Message) -> None:
        traits = [[name, 2 if isinstance(value, int) else 1, value] for name, value in message.payload.items()]
        event = {
            "message_id": message.message_id,
            "event_type": message.event_type,
            # Ceilometer writes UTC without a zone.
            "generated": self._wall_at(message.generated_at).replace(tzinfo=None).isoformat(),
            "traits": traits,
            "raw": {},
        }
        self._broker.publish(ALARM_TOPIC, message.event_type, event)

    # Aodh's listener.

    def _evaluate(self, message: Message) -> None:
        event = message.payload
        if not self._database.is_up:
            self._trace.note(f"Aodh's listener loses event {event['message_id']}: no database", actor="aodh")
            return
        now = self._kernel.now
        if self._cached_at is None or now - self._cached_at >= self._cache_ttl:
            self._cache, self._cached_at = tuple(self._alarms()), now
        traits = {name: value for name, _, value in event["traits"]}
        for stored in self._cache:
            alarm = stored.alarm
            if not alarm.enabled or alarm.event_type != event["event_type"] or not _matches(stored, traits):
                continue
            if stored.alarm_id in self._fired and not alarm.repeat_actions:
                continue
            self._fired.add(stored.alarm_id)
            for url in alarm.actions:
                body = {
                    "alarm_id": stored.alarm_id,
                    "alarm_name": alarm.name,
                    "severity": alarm.severity,
                    "previous": "alarm",
                    "current": "alarm",
                    "reason": f"Event {event['message_id']} hits the query.",
                    "reason_data": {"type": "event", "event": dict(event)},
                }
                self._broker.publish(NOTIFY_TOPIC, "alarm.update", {"url": url, "body": body})

    # Aodh's notifier.

    def _notify(self, message: Message) -> None:
        rng = self._rng
        event = message.payload["body"]["reason_data"]["event"]["message_id"]
        if rng.random() < self.loses:
            self._trace.note(f"Aodh's notifier loses the call for {event}", actor="aodh")
            return
        late = rng.uniform(0.0, self.late)
        self._kernel.after(late, self._call, message.payload)
        if rng.random() < self.doubles:
            self._kernel.after(late + rng.uniform(0.0, 60.0), self._call, message.payload)

    def _call(self, payload: Mapping[str, Any]) -> None:
        """The webhook's address is that of whichever controller has it now."""
        home = self._broker.home
        event = payload["body"]["reason_data"]["event"]["message_id"]
        for name in self._controllers:
            webhook = self._webhook_of(name)
            if webhook is not None and self._fabric.connects(Network.MANAGEMENT, home, name):
                webhook.post(payload["url"], payload["body"], lambda code: self._answered(event, code))
                return
        self._trace.note(f"Aodh's call for {event} is refused: no webhook", actor="aodh")

    def _answered(self, event: str, code: int) -> None:
        self._trace.note(f"the webhook answers {code} for {event}", actor="aodh")


def _matches(stored: StoredAlarm, traits: Mapping[str, Any]) -> bool:
    """All conditions together; a trait that is missing is not equal to anything."""
    for query in stored.alarm.query:
        found = traits.get(query.field.removeprefix("traits."))
        if not _OPERATORS[query.op](found, _TYPES[query.type](query.value)):
            return False
    return True
