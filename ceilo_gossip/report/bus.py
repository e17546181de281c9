"""The message bus through oslo.messaging.

`Notifier.notify()` cannot be used: it swallows every error, and on a fresh connection to a closed port it drops the
message at once, so nobody could know what to keep. The transport below it raises, and RabbitMQ's publisher confirms,
which the driver switches on, make its return mean that the broker has the message. The envelope is the one the
messagingv2 notify driver makes. Each target names its exchange, so no global default is changed.
"""

import datetime
import uuid
from collections.abc import Mapping
from typing import Any

import oslo_messaging

from ceilo_gossip.contract.messaging import EXCHANGE
from ceilo_gossip.report.port import BusError

PRIORITY = "info"  # Ceilometer makes events of the priorities info and error only.
RETRY = 1  # Reconnect once within a call; the sender's own patience is the outbox.
ENVELOPE_VERSION = 2.0


class NotificationBus:
    """Publishes on the exchange of ceilo-gossip."""

    def __init__(self, conf: Any, *, publisher_id: str) -> None:
        self._transport = oslo_messaging.get_notification_transport(conf)
        self._publisher_id = publisher_id

    def publish(self, topic: str, event_type: str, payload: Mapping[str, Any]) -> None:
        """Return once the broker has the notification; BusError otherwise."""
        target = oslo_messaging.Target(exchange=EXCHANGE, topic=f"{topic}.{PRIORITY}")
        message = {
            "message_id": str(uuid.uuid4()),
            "publisher_id": self._publisher_id,
            "event_type": event_type,
            "priority": PRIORITY.upper(),
            "payload": dict(payload),
            # Ceilometer reads the instant without a time zone, as UTC.
            "timestamp": str(datetime.datetime.now(datetime.UTC).replace(tzinfo=None)),
        }
        try:
            self._transport._send_notification(target, {}, message, version=ENVELOPE_VERSION, retry=RETRY)
        except Exception as error:
            # kombu, amqp and the socket raise families without a common base. The text of the error may quote
            # the URL with its password, its type does not.
            raise BusError(topic, type(error).__name__) from error

    def close(self) -> None:
        """Let the connection go."""
        self._transport.cleanup()
