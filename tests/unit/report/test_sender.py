"""What is handed to the sender reaches the message bus, whatever the bus does meanwhile."""

import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ceilo_gossip.report import sender as module
from ceilo_gossip.report.outbox import Report
from ceilo_gossip.report.port import FakeBus
from ceilo_gossip.report.sender import Sender

DEADLINE = 10.0  # Seconds; a fact that has not come true by then will not.


class SignallingBus(FakeBus):
    """A fake that tells each attempt, so that a test waits for facts and not for time."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def publish(self, topic: str, event_type: str, payload: Any) -> None:
        with self._changed:
            self._changed.notify_all()
            super().publish(topic, event_type, payload)

    def wait_for(self, fact: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(fact, DEADLINE)

    @property
    def numbers(self) -> list[int]:
        return [payload["n"] for _, _, payload in self.taken]


Start = Callable[[SignallingBus], Sender]


@pytest.fixture
def start(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.005)
    monkeypatch.setattr(module, "LAST_PAUSE", 0.01)
    senders: list[Sender] = []

    def make(bus: SignallingBus) -> Sender:
        made = Sender(tmp_path / "outbox", limit=100, make_bus=lambda: bus, on_failure=lambda error: None)
        senders.append(made)
        made.start()
        return made

    yield make
    for sender in senders:
        assert sender.stop(timeout=DEADLINE)


def report(number: int, *, is_repeat: bool = False, host: str = "cmp-1") -> Report:
    return Report(host, is_repeat, "topic", "type", {"n": number})


def test_report_is_sent(start: Start) -> None:
    bus = SignallingBus()
    start(bus).submit(report(1))
    bus.wait_for(lambda: bus.taken == [("topic", "type", {"n": 1})])


def test_report_that_could_not_be_sent_is_not_lost(start: Start) -> None:
    """Fault 4 of the nearest peer, its second half."""
    bus = SignallingBus()
    bus.is_away = True
    sender = start(bus)
    sender.submit(report(1))
    bus.wait_for(lambda: bus.refused >= 2)
    assert sender.counters["waiting"] == 1
    bus.is_away = False
    bus.wait_for(lambda: bus.numbers == [1])


def test_report_left_by_an_earlier_run_is_sent_by_the_next(start: Start) -> None:
    bus = SignallingBus()
    bus.is_away = True
    first = start(bus)
    first.submit(report(1))
    bus.wait_for(lambda: bus.refused >= 1)
    assert first.stop(timeout=DEADLINE)
    bus.is_away = False
    start(bus)
    bus.wait_for(lambda: bus.numbers == [1])


def test_changes_arrive_in_order_after_an_outage(start: Start) -> None:
    bus = SignallingBus()
    bus.is_away = True
    sender = start(bus)
    for number in range(3):
        sender.submit(report(number))
    sender.submit(report(3, is_repeat=True))
    sender.submit(report(4, is_repeat=True))
    bus.wait_for(lambda: bus.refused >= 2 and sender.counters["waiting"] == 4)
    bus.is_away = False
    bus.wait_for(lambda: bus.numbers == [0, 1, 2, 4])


def test_samples_are_sent_after_reports_on_their_own_topic(start: Start) -> None:
    bus = SignallingBus()
    sender = start(bus)
    sender.submit_samples({"cmp-1": {"n": 7}})
    bus.wait_for(lambda: bus.taken == [("notifications", "compute.host.sample", {"n": 7})])


def test_samples_of_an_outage_are_forgotten(start: Start) -> None:
    bus = SignallingBus()
    bus.is_away = True
    sender = start(bus)
    sender.submit_samples({"cmp-1": {"n": 7}})
    bus.wait_for(lambda: bus.refused >= 1)
    bus.is_away = False
    sender.submit(report(1))
    bus.wait_for(lambda: 1 in bus.numbers)
    assert 7 not in bus.numbers


def test_what_waits_is_tried_once_more_before_the_end(start: Start) -> None:
    bus = SignallingBus()
    sender = start(bus)
    sender.submit(report(1))
    assert sender.stop(timeout=DEADLINE)
    assert bus.numbers == [1]


def test_fault_of_our_own_is_told_to_the_agent(tmp_path: pathlib.Path) -> None:
    failed = threading.Event()

    def broken() -> FakeBus:
        raise RuntimeError("ours")

    sender = Sender(tmp_path / "outbox", limit=10, make_bus=broken, on_failure=lambda error: failed.set())
    sender.start()
    assert failed.wait(DEADLINE)


def test_inbox_of_a_stopped_thread_is_bounded_and_counts_what_it_drops(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INBOX_LIMIT", 3)
    sender = Sender(tmp_path / "outbox", limit=10, make_bus=FakeBus, on_failure=lambda error: None)
    for number in range(5):
        sender.submit(report(number))
    assert sender.counters == {"waiting": 3, "sent": 0, "dropped": 2}
