"""One machine: its power, its operating system, its guests, and the processes of ours that run on it.

The truth about a host is here, and nowhere else: what the agents conclude, what the BMC says and what Nova has written
down are beliefs. A guest that is *writing* is a process on a machine that is on, is not frozen, and reaches the
storage; this is what "an instance runs on two hosts" is about. A frozen machine's guests write again when it thaws.
"""

import enum
from collections.abc import Callable
from typing import Final, Protocol

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.sighting import HostFacts
from ceilo_gossip.serf.snapshot import Snapshot
from tests.simulation.world.facts import Fact, RunsChanged
from tests.simulation.world.kernel import Clock, Kernel
from tests.simulation.world.trace import Trace

BOOT: Final = (20.0, 40.0)  # Seconds from power to an operating system; a real server's firmware takes longer still.
PROCESS_START: Final = (0.5, 3.0)  # Seconds until a process of ours is up: systemd's restart delay, Python's imports.


class System(enum.Enum):
    """The operating system."""

    OFF = "off"
    BOOTING = "booting"
    UP = "up"
    PANICKED = "panicked"


class Program(Protocol):
    """A process of ours on a machine, from one start to its end."""

    def kill(self) -> None:
        """SIGKILL."""

    def pause(self) -> None:
        """It stands still."""

    def go_on(self) -> None:
        """It goes on."""


class Machine:
    """One host. `starters` make its processes, by name; a process that ended is started again by its keeper."""

    def __init__(
        self,
        name: str,
        role: str,
        rack: str,
        *,
        kernel: Kernel,
        trace: Trace,
        clock: Clock,
        tell: Callable[[Fact], None],
        reaches_storage: Callable[[str], bool],
    ) -> None:
        self.name = name
        self.role = role
        self.rack = rack
        self.clock = clock
        self._kernel = kernel
        self._trace = trace
        self._tell = tell
        self._reaches_storage = reaches_storage
        self._rng = kernel.stream(f"machine/{name}")
        self.is_powered = True
        self.has_feed = True
        self.system = System.UP
        self.frozen_for: set[str] = set()  # Faults that freeze it.
        self.slow_for: set[str] = set()  # Faults that starve its processes of CPU now and then, guests aside.
        self.starved_for: set[str] = set()  # Those that do so at this moment.
        self.guests: set[str] = set()
        self.boots = 1
        self.life = 1
        self.roster: dict[str, HostFacts] = {}
        self.snapshots: dict[Network, Snapshot] = {}
        self.starters: dict[str, Callable[[], Program]] = {}
        self.programs: dict[str, Program] = {}
        self.stopped: set[str] = set()  # Processes that an operator stopped.
        self.on_change: Callable[[Machine], None] = lambda machine: None

    # What is true.

    @property
    def is_running(self) -> bool:
        """Whether its processes run."""
        return self.is_powered and self.system is System.UP and not self.frozen_for

    @property
    def has_kernel(self) -> bool:
        """Whether its kernel answers the network."""
        return self.is_running

    def writing(self) -> frozenset[str]:
        """The guests that can write to their disks now."""
        if not self.guests or not self.is_running or not self._reaches_storage(self.name):
            return frozenset()
        return frozenset(self.guests)

    # Power.

    def power_off(self, why: str) -> None:
        """It is off, at once."""
        if not self.is_powered:
            return
        self._trace.note(f"power off: {why}", actor=self.name)
        self.is_powered = False
        self._end_everything()
        self.system = System.OFF
        self._changed()

    def power_on(self, why: str) -> None:
        """Somebody switched it on: it boots, without guests."""
        if self.is_powered or not self.has_feed:
            return
        self._trace.note(f"power on: {why}", actor=self.name)
        self.is_powered = True
        self._boot()

    def reset(self, why: str) -> None:
        """It loses everything and boots again."""
        if self.is_powered:
            self._trace.note(f"reset: {why}", actor=self.name)
            self._end_everything()
            self._boot()

    def panic(self) -> None:
        """Its kernel stops; the power stays."""
        if self.is_powered and self.system is System.UP:
            self._trace.note("kernel panic", actor=self.name)
            self._end_everything()
            self.system = System.PANICKED
            self._changed()

    def _boot(self) -> None:
        self.system = System.BOOTING
        self.boots += 1
        self._changed()
        self._kernel.after(self._rng.uniform(*BOOT), self._booted, self.life)

    def _booted(self, life: int) -> None:
        if life != self.life or self.system is not System.BOOTING:
            return
        self._trace.note("booted", actor=self.name)
        self.system = System.UP
        self._changed()
        self.start_programs()

    def _end_everything(self) -> None:
        self.life += 1
        for program in self.programs.values():
            program.kill()
        self.programs.clear()
        self.guests.clear()

    # Time.

    def freeze(self, token: str) -> None:
        """Nothing on it happens any more, until `thaw` with the same token."""
        self.frozen_for.add(token)
        for program in self.programs.values():
            program.pause()
        self._changed()

    def thaw(self, token: str) -> None:
        """It goes on where it stood, guests included."""
        self.frozen_for.discard(token)
        if self.frozen_for:
            return
        self._changed()
        self._go_on()

    def starve(self, token: str) -> None:
        """Its processes get no CPU; guests and kernel do."""
        self.starved_for.add(token)
        for program in self.programs.values():
            program.pause()

    def feed(self, token: str) -> None:
        """Its processes get CPU again."""
        self.starved_for.discard(token)
        self._go_on()

    def _go_on(self) -> None:
        if not self.frozen_for and not self.starved_for:
            for program in list(self.programs.values()):
                program.go_on()

    # Processes.

    def start_programs(self, *, at_once: bool = False) -> None:
        """Its service keeper starts everything that was not stopped."""
        for name in self.starters:
            if name not in self.stopped:
                self._start_later(name, 0.0 if at_once else self._rng.uniform(*PROCESS_START))

    def kill_program(self, name: str) -> None:
        """One process dies, and is started again in a while."""
        program = self.programs.pop(name, None)
        if program is None:
            return
        self._trace.note(f"{name} is killed", actor=self.name)
        program.kill()
        self._changed()
        self._start_later(name, self._rng.uniform(*PROCESS_START))

    def stop_program(self, name: str) -> None:
        """An operator stopped it: it stays down until `start_program`."""
        self.stopped.add(name)
        program = self.programs.pop(name, None)
        if program is not None:
            program.kill()
        self._changed()

    def start_program(self, name: str) -> None:
        """An operator starts it again."""
        self.stopped.discard(name)
        if self.is_powered and self.system is System.UP and name not in self.programs:
            self._start_later(name, self._rng.uniform(*PROCESS_START))

    def _start_later(self, name: str, seconds: float) -> None:
        self._kernel.after(seconds, self._start, name, self.life)

    def _start(self, name: str, life: int) -> None:
        if life != self.life or self.system is not System.UP or name in self.programs or name in self.stopped:
            return
        if self.frozen_for:
            self._kernel.after(1.0, self._start, name, life)
            return
        before, self._trace.actor = self._trace.actor, self.name
        program = self.starters[name]()
        self._trace.actor = before
        self.programs[name] = program
        if self.starved_for:
            program.pause()
        self._changed()

    # Guests.

    def start_guest(self, instance: str) -> None:
        """A guest process begins."""
        self.guests.add(instance)
        self._tell(RunsChanged(self.name))

    def stop_guest(self, instance: str) -> None:
        """It ends."""
        self.guests.discard(instance)
        self._tell(RunsChanged(self.name))

    def _changed(self) -> None:
        self.on_change(self)
        self._tell(RunsChanged(self.name))
