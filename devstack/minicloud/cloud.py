"""The pocket cloud as one object: brings everything up, takes it down, and gives what a demo or a lab test needs.

    cloud = Cloud.current()
    cloud.up()
    cloud.enter()                  # this thread is now in ctl-1's network, where the APIs are
    nova = cloud.nova()
    power.mains_off("cmp-1")       # units, power and faults are used directly

`up` heals: what runs is left alone, what is missing is started. `down` leaves no process, mount, namespace or control
group behind, and keeps the virtual environment and the template. One lock keeps two of them from running at once.
"""

import contextlib
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from minicloud import client, endpoints, errands, ini, kernel, layout, metal, openrc, readiness, services, units
from minicloud.control_plane import ControlPlane
from minicloud.passwords import ADMIN, Passwords, write_private
from minicloud.places import Places, find

ENGINE_TIMEOUT: Final = 60.0  # Seconds; it loads for three on an idle machine.

Say = Callable[[str], None]


class BusyError(Exception):
    """Another process is bringing this cloud up or taking it down."""


class Cloud:
    """The cloud that lives in one home directory."""

    def __init__(self, places: Places, *, say: Say | None = None) -> None:
        self.places = places
        self.say = say or tell_time()

    @classmethod
    def current(cls, *, say: Say | None = None) -> Self:
        """Return the cloud of the environment (see `layout.current`), run by the interpreter's virtual environment."""
        return cls(find(layout.current(), venv=Path(sys.prefix)), say=say)

    @property
    def layout(self) -> layout.Layout:
        """Hosts, networks, names."""
        return self.places.layout

    @property
    def passwords(self) -> Passwords:
        """The passwords in force. Raises FileNotFoundError if the cloud was never up."""
        return Passwords.load(self.places.passwords)

    def up(self) -> None:
        """Bring up or heal everything, and return when it was seen to work.

        Raises BusyError, NotReadyError, ErrandError, or what `metal.up` raises.
        """
        with self._lock():
            if self.places.persistent.exists() and not self.places.complete.exists():
                self.say("an earlier start was interrupted; beginning anew")
                self._remove()
            metal.up(self.layout)
            self.say(f"{len(self.layout.hosts)} hosts have power")
            control_plane = ControlPlane(self.places, self.say)
            if control_plane.prepare():
                control_plane.make_databases()
            control_plane.start_services()
            control_plane.wait_until_ready()
            openrc.write(self.places, control_plane.passwords)
            openrc.forward(self.places)
            self.say("ready")

    def down(self) -> None:
        """End and remove everything but the virtual environment and the template."""
        with self._lock():
            self._remove()
            self.say("everything is down")

    def keep_logs(self) -> None:
        """Copy every log, and the chassis' journals, to where `down` leaves them: for a run that went wrong.

        Only the last such copy is kept, readable by root alone.
        """
        kept, run = self.layout.directories.kept_logs, self.layout.directories.run
        if not run.exists():
            return
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(mode=0o700, parents=True)
        shutil.copytree(self.layout.directories.log, kept / "log", dirs_exist_ok=True)
        for host in self.layout.hosts:
            if host.events.exists():
                shutil.copy(host.events, kept / f"{host.name}-chassis.jsonl")
        for database in self.places.state.glob("remediation.sqlite*"):
            shutil.copy(database, kept)
        self.say(f"the logs are kept in {kept}")

    def restart_engine_without_fencing(self) -> None:
        """Let remediation-engine believe that fencing succeeds, for the lab's proof that fencing is needed.

        Returns once the new engine looks for incidents. Raises NotReadyError.
        """
        write_private(self.places.lab_file, ini.render({"engine": {"lab_skip_fencing": True}}))
        unit = services.engine_without_fencing(self.places)
        errands.end(self.places, unit.name)
        units.start(endpoints.CONTROL_HOST, unit, cloud=self.layout)
        assert unit.log is not None
        said = partial(_said_since, Path(unit.log), Path(unit.log).stat().st_size)
        readiness.wait_for("the engine without fencing", lambda: said("looks for incidents"), timeout=ENGINE_TIMEOUT)

    def enter(self) -> None:
        """Move the calling thread, and the threads it will start, into ctl-1's network, for good."""
        kernel.enter_network_namespace(self._control_namespace)

    def session(self, *, user: str = ADMIN, project: str = "demo") -> Any:
        """Return a keystoneauth session; works after `enter`."""
        return client.session(self.passwords, user=user, project=project)

    def nova(self, *, user: str = ADMIN, project: str = "demo") -> Any:
        """Return a novaclient Client; works after `enter`."""
        return client.nova_client(self.passwords, user=user, project=project)

    def openstack(self, *, user: str = ADMIN, project: str = "demo") -> Any:
        """Return an openstack.connection.Connection; works after `enter`."""
        return client.openstack_client(self.passwords, user=user, project=project)

    def _remove(self) -> None:
        metal.down(self.layout)
        if self.places.run.exists():
            shutil.rmtree(self.places.run)

    @property
    def _control_namespace(self) -> str:
        return self.layout.host(endpoints.CONTROL_HOST).namespace

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        home = self.layout.directories.home
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BusyError(f"another process is bringing the cloud in {home} up or down") from None
            yield
        finally:
            os.close(descriptor)


def _said_since(log: Path, offset: int, text: str) -> bool:
    with log.open("rb") as file:
        file.seek(offset)
        return text.encode() in file.read()


def tell_time() -> Say:
    """Return a `say` that prints each line with the seconds since now."""
    began = time.monotonic()

    def say(text: str) -> None:
        # One write, as several threads tell their facts.
        print(f"[{time.monotonic() - began:6.1f} s] {text}\n", end="", flush=True)

    return say
