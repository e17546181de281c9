"""Names on the message bus that other services have stored, and so may never change."""

import uuid

from ceilo_gossip.contract import messaging


def test_resource_id_of_a_host_is_a_uuid_that_never_changes() -> None:
    # Written out once: Gnocchi keeps a host's history under this id.
    assert messaging.resource_id("cmp-1") == "e6967886-d6fd-5f4e-876c-92e1d5c6cca2"
    assert uuid.UUID(messaging.resource_id("cmp-1")).version == 5


def test_two_hosts_have_two_resource_ids() -> None:
    assert messaging.resource_id("cmp-1") != messaging.resource_id("cmp-2")


def test_events_and_samples_travel_on_topics_of_their_own() -> None:
    assert messaging.EVENT_TOPIC != messaging.SAMPLE_TOPIC
