"""The thread that gets reports to the message bus, at least once and in order, and samples, at most once.

`submit` never blocks and never touches the disk: a hung disk or a frozen broker stops this thread, not the gossip. What
a stopped thread cannot take in is bounded too; beyond the bound the oldest is dropped and counted.
"""

import collections
import pathlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from oslo_log import log

from ceilo_gossip.contract.messaging import EVENT_TYPE_SAMPLE, SAMPLE_TOPIC
from ceilo_gossip.report.outbox import Outbox, Report
from ceilo_gossip.report.port import Bus, BusError

LOG = log.getLogger(__name__)

INBOX_LIMIT = 10000  # Reports not yet on disk: a failure of a thousand hosts ten times over.
FIRST_PAUSE, LAST_PAUSE = 0.2, 5.0  # Seconds between attempts; a broker's restart takes some ten seconds.


class Sender:
    """`make_bus` is called in the thread, since connecting may block; so is `on_failure`, if it cannot go on."""

    def __init__(
        self,
        path: pathlib.Path,
        *,
        limit: int,
        make_bus: Callable[[], Bus],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._path = path
        self._limit = limit
        self._make_bus = make_bus
        self._on_failure = on_failure
        self._changed = threading.Condition()
        self._inbox: collections.deque[Report] = collections.deque()
        self._samples: dict[str, Mapping[str, Any]] = {}
        self._is_stopping = False
        self._waiting = 0
        self._sent = 0
        self._dropped = 0
        self._is_connected: bool | None = None
        # A daemon: a thread that hangs in a frozen broker must not keep the agent from ending.
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)

    def start(self) -> None:
        """Begin to send, first what an earlier run left."""
        self._thread.start()

    def stop(self, *, timeout: float) -> bool:
        """Try what is waiting once more and end; whether the thread ended within `timeout` seconds."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def submit(self, report: Report) -> None:
        """Take over `report`; it is sent at least once."""
        with self._changed:
            self._inbox.append(report)
            if len(self._inbox) > INBOX_LIMIT:
                self._inbox.popleft()
                self._dropped += 1
            self._changed.notify()

    def submit_samples(self, payloads: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over one sample payload for each host; an older one for it that was not sent is forgotten."""
        with self._changed:
            self._samples.update(payloads)
            self._changed.notify()

    @property
    def counters(self) -> Mapping[str, int]:
        """Reports waiting, sent and dropped since the start."""
        with self._changed:
            return {"waiting": self._waiting + len(self._inbox), "sent": self._sent, "dropped": self._dropped}

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 - the top of this thread; it ends in a decision of the agent's.
            # A fault of ours. A silent sender would be a monitor that is dead but looks alive, so the agent must end.
            self._on_failure(error)

    def _work(self) -> None:
        outbox = Outbox(self._path, limit=self._limit)
        if outbox.trouble is not None:
            LOG.error("Reports are kept in memory only and end with this process: %s", outbox.trouble)
        bus = self._make_bus()
        pause = FIRST_PAUSE
        try:
            while True:
                samples, is_stopping = self._take_in(outbox)
                if self._send(outbox, bus, samples):
                    pause = FIRST_PAUSE
                    if not is_stopping:
                        self._wait(None)
                elif not is_stopping:
                    self._wait(pause)
                    pause = min(2 * pause, LAST_PAUSE)
                if is_stopping:
                    return
        finally:
            outbox.close()
            bus.close()

    def _take_in(self, outbox: Outbox) -> tuple[dict[str, Mapping[str, Any]], bool]:
        with self._changed:
            reports, self._inbox = self._inbox, collections.deque()
            samples, self._samples = self._samples, {}
            is_stopping = self._is_stopping
        before = outbox.trouble
        dropped = outbox.dropped
        for report in reports:
            outbox.add(report)
        if outbox.trouble is not before:
            LOG.error("The outbox failed, reports are kept in memory from now on: %s", outbox.trouble)
        with self._changed:
            self._waiting = len(outbox)
            self._dropped += outbox.dropped - dropped
        return samples, is_stopping

    def _wait(self, seconds: float | None) -> None:
        """Wait for work, or, after a failure, for `seconds` whatever work there is."""
        with self._changed:
            if seconds is None:
                self._changed.wait_for(lambda: self._inbox or self._samples or self._is_stopping)
            else:
                self._changed.wait_for(lambda: self._is_stopping, timeout=seconds)

    def _send(self, outbox: Outbox, bus: Bus, samples: Mapping[str, Mapping[str, Any]]) -> bool:
        """Send all there is; whether the bus took it. Reports go first; samples that fail are forgotten."""
        try:
            while (entry := outbox.oldest()) is not None:
                report_id, report = entry
                bus.publish(report.topic, report.event_type, report.payload)
                self._note_taken()
                outbox.remove(report_id)
                with self._changed:
                    self._waiting, self._sent = len(outbox), self._sent + 1
                if self._has_news():
                    self._keep(samples)
                    return True
            for payload in samples.values():
                bus.publish(SAMPLE_TOPIC, EVENT_TYPE_SAMPLE, payload)
                self._note_taken()
        except BusError as error:
            if self._is_connected is not False:
                LOG.warning("%s; %d reports are kept until it does", error, len(outbox))
            self._is_connected = False
            return False
        return True

    def _note_taken(self) -> None:
        if self._is_connected is False:
            LOG.info("The message bus takes messages again")
        self._is_connected = True

    def _keep(self, samples: Mapping[str, Mapping[str, Any]]) -> None:
        with self._changed:
            for host, payload in samples.items():
                self._samples.setdefault(host, payload)

    def _has_news(self) -> bool:
        with self._changed:
            return bool(self._inbox)
