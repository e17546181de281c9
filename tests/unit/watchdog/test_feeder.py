"""The watchdog is fed while a grant is valid, and never otherwise."""

import pytest

from ceilo_gossip.watchdog.device import DeviceError, FakeDevice
from ceilo_gossip.watchdog.feeder import Disarm, Feed, Feeder, FeederRefused, Open, Phase, Tell

W = 5.0


class Bench:
    """A feeder and its device, on one clock; `run` does what the feeder says, as the process does."""

    def __init__(self, *, is_fenced: bool = False, is_nowayout: bool = False) -> None:
        self.now = 100.0
        self.device = FakeDevice(timeout=W, is_nowayout=is_nowayout)
        self.feeder = Feeder(is_fenced=is_fenced)
        self.told: list[str] = []

    def work(self) -> None:
        self.device.now = self.now
        while (deed := self.feeder.next_deed(self.now)) is not None:
            match deed:
                case Open():
                    try:
                        opened = self.device.open()
                    except DeviceError as error:
                        self.feeder.open_failed(str(error))
                    else:
                        self.feeder.opened(opened.timeout, self.now)
                case Feed():
                    self.device.feed()
                    self.feeder.fed(self.now)
                case Disarm():
                    self.feeder.disarmed(is_stopped=self.device.disarm())
                case Tell(text=text):
                    self.told.append(text)

    def grant(self, seconds: float) -> None:
        self.feeder.handle_grant(self.now + seconds, self.now)
        self.work()

    def run(self, seconds: float) -> None:
        """Let time pass, exactly as the feeder wants to be woken."""
        end = self.now + seconds
        while True:
            due = self.feeder.get_timer()
            if due is None or due > end:
                self.now = self.device.now = end
                return
            self.now = max(self.now, due)
            self.feeder.handle_timer(self.now)
            self.work()

    @property
    def is_reset(self) -> bool:
        return self.device.fires_at is not None and self.now >= self.device.fires_at


def test_device_is_not_opened_without_a_grant() -> None:
    bench = Bench()
    bench.run(1000)
    assert bench.device.fires_at is None and bench.feeder.phase is Phase.UNARMED
    bench.grant(-1.0)
    assert bench.device.fires_at is None


def test_first_grant_arms_and_grants_keep_the_host_up() -> None:
    bench = Bench()
    for _ in range(20):
        bench.grant(8.0)
        bench.run(1.0)
        assert not bench.is_reset and bench.feeder.phase is Phase.ARMED


def test_grant_that_ends_is_the_end_of_feeding_and_the_host_is_reset_within_the_timeout() -> None:
    bench = Bench()
    bench.grant(8.0)
    bench.run(8.0)
    assert all(at < 108.0 for at in bench.device.feeds)
    assert bench.feeder.phase is Phase.STARVING
    bench.run(W)
    assert bench.is_reset
    assert any("will be reset in" in text for text in bench.told), "it says so while it still can"


def test_new_grant_before_the_reset_saves_the_host() -> None:
    bench = Bench()
    bench.grant(2.0)
    bench.run(4.0)
    assert bench.feeder.phase is Phase.STARVING
    bench.grant(8.0)
    bench.run(7.0)
    assert not bench.is_reset


def test_grant_can_be_taken_away_at_once() -> None:
    bench = Bench()
    bench.grant(100.0)
    bench.run(1.0)
    bench.grant(-1.0)
    assert bench.feeder.phase is Phase.STARVING
    bench.run(W)
    assert bench.is_reset


def test_feed_that_was_decided_before_a_pause_is_left_out_after_it() -> None:
    """The process was stopped between timer and deed: by then the grant is over."""
    bench = Bench()
    bench.grant(2.0)
    bench.now += 1.5
    bench.feeder.handle_timer(bench.now)
    bench.now += 1.0
    before = list(bench.device.feeds)
    bench.work()
    assert bench.device.feeds == before


def test_fenced_host_is_never_fed_again_whatever_is_granted() -> None:
    bench = Bench()
    bench.grant(100.0)
    bench.run(1.0)
    bench.feeder.handle_fence("incident i-1", bench.now)
    bench.work()
    fed = list(bench.device.feeds)
    bench.grant(100.0)
    bench.run(W)
    assert bench.device.feeds == fed and bench.is_reset
    assert any("fenced (incident i-1)" in text for text in bench.told)


def test_process_that_starts_on_a_fenced_host_does_not_open_the_device() -> None:
    bench = Bench(is_fenced=True)
    bench.grant(100.0)
    bench.run(10.0)
    assert bench.device.fires_at is None


def test_disarmed_on_a_planned_stop_and_armed_again_with_the_next_grant() -> None:
    bench = Bench()
    bench.grant(8.0)
    bench.feeder.handle_disarm("maintenance", bench.now)
    bench.work()
    assert bench.device.fires_at is None and bench.feeder.phase is Phase.UNARMED
    bench.run(100.0)
    bench.grant(8.0)
    assert bench.feeder.phase is Phase.ARMED


def test_host_without_a_lease_may_not_get_away_from_its_watchdog() -> None:
    bench = Bench()
    bench.grant(2.0)
    bench.run(3.0)
    with pytest.raises(FeederRefused, match="holds no lease"):
        bench.feeder.handle_disarm("maintenance", bench.now)
    bench.feeder.handle_fence("i", bench.now)
    with pytest.raises(FeederRefused, match="fenced"):
        bench.feeder.handle_disarm("maintenance", bench.now)
    bench.run(W)
    assert bench.is_reset


def test_device_that_cannot_be_disarmed_is_fed_without_grants() -> None:
    bench = Bench(is_nowayout=True)
    bench.grant(8.0)
    bench.feeder.handle_disarm("maintenance", bench.now)
    bench.work()
    assert bench.feeder.phase is Phase.CARETAKING
    bench.run(1000.0)
    assert not bench.is_reset
    bench.feeder.handle_fence("i", bench.now)
    bench.run(W)
    assert bench.is_reset


def test_device_that_cannot_be_opened_is_said_so_and_tried_again() -> None:
    bench = Bench()
    bench.device.refuses = DeviceError("/dev/watchdog does not exist")
    bench.grant(8.0)
    assert bench.feeder.phase is Phase.UNARMED and "does not exist" in bench.told[-1]
    bench.device.refuses = None
    bench.grant(8.0)
    assert bench.feeder.phase is Phase.ARMED
