"""A process in virtual time: production code that blocks runs in greenlets, each of which stands for a thread.

A call that blocks in production (a BMC, Nova, the database) switches to the world here and is resumed at a later
instant; the production code does not know. SIGKILL is a process whose greenlets are never resumed. They are kept until
the world ends, because Python would otherwise run their `finally` blocks; should one run then, `sleep` and every port
refuse it, so that nobody acts after their death.
"""

import contextlib
from collections.abc import Callable
from concurrent.futures import Future

import greenlet  # type: ignore[import-untyped, unused-ignore]  # It publishes no types.

from tests.simulation.world.kernel import Clock, Kernel
from tests.simulation.world.trace import Trace


class Dead(BaseException):
    """The process was killed; nothing in it may go on. Nothing but the thread's end catches it."""


class Gate:
    """What threads wait for; `open` wakes all who wait now."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def wake_by(self, wake: Callable[[], None]) -> None:
        """Have `wake` called, once."""
        self._waiting.append(wake)

    def open(self) -> None:
        """Wake all."""
        waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()


class Process:
    """One operating system process. While `is_paused` nothing in it runs; what was due happens when it goes on."""

    def __init__(self, kernel: Kernel, trace: Trace, *, name: str, clock: Clock) -> None:
        self._kernel = kernel
        self._trace = trace
        self.name = name
        self.clock = clock
        self.is_alive = True
        self.is_paused = False
        self._threads: list[greenlet.greenlet] = []
        self._due_while_paused: list[greenlet.greenlet] = []

    def spawn(self, work: Callable[[], None]) -> "Future[None]":
        """Run `work` in a thread of its own, from the next moment on."""
        future: Future[None] = Future()

        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - as an executor: whoever takes the result gets it.
                future.set_exception(error)
            else:
                future.set_result(None)

        self.start_thread(run)
        return future

    def start_thread(self, work: Callable[[], None]) -> None:
        """Run `work` in a thread of its own; what it raises ends the world, as a fault of ours."""

        def run() -> None:
            with contextlib.suppress(Dead):
                work()

        thread = greenlet.greenlet(run, parent=_world())
        self._threads.append(thread)
        self._kernel.after(0.0, self._resume, thread)

    def sleep(self, seconds: float) -> None:
        """Block the thread that calls this, for so long on this machine's clock."""
        self.check_alive()
        thread = greenlet.getcurrent()
        self._kernel.after(max(0.0, seconds) / self.clock.rate, self._resume, thread)
        self._switch_out()

    def wait(self, gate: Gate, *, seconds: float | None = None) -> bool:
        """Block until the gate opens; False when it did not within `seconds`."""
        self.check_alive()
        thread = greenlet.getcurrent()
        state = {"over": False, "opened": False}

        def wake(opened: bool) -> None:
            if not state["over"]:
                state.update(over=True, opened=opened)
                self._kernel.after(0.0, self._resume, thread)

        gate.wake_by(lambda: wake(True))
        if seconds is not None:
            self._kernel.after(max(0.0, seconds) / self.clock.rate, wake, False)
        self._switch_out()
        return state["opened"]

    def check_alive(self) -> None:
        """Raise Dead in a killed process."""
        if not self.is_alive:
            raise Dead(self.name)

    def kill(self) -> None:
        """SIGKILL."""
        self.is_alive = False

    def die(self) -> None:
        """SIGKILL in the middle of what the thread that calls this does: it never returns."""
        self.kill()
        _world().switch()
        raise Dead(self.name)

    def pause(self) -> None:
        """SIGSTOP, or a machine that stands still."""
        self.is_paused = True

    def go_on(self) -> None:
        """SIGCONT."""
        self.is_paused = False
        due, self._due_while_paused = self._due_while_paused, []
        for thread in due:
            self._kernel.after(0.0, self._resume, thread)

    def _switch_out(self) -> None:
        assert greenlet.getcurrent() is not _world(), "only a thread of a process may block"
        _world().switch()
        self.check_alive()

    def _resume(self, thread: greenlet.greenlet) -> None:
        if not self.is_alive or thread.dead:
            return
        if self.is_paused:
            self._due_while_paused.append(thread)
            return
        before, self._trace.actor = self._trace.actor, self.name
        thread.switch()
        self._trace.actor = before
        if thread.dead:
            self._threads.remove(thread)


def _world() -> greenlet.greenlet:
    """The greenlet in which the world's events happen: the one that all others are switched to when they block."""
    found = greenlet.getcurrent()
    while found.parent is not None:
        found = found.parent
    return found
