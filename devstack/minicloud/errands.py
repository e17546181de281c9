"""Errands: units of ctl-1 that run a command to its end, and waiting for that end.

They are units, and not processes of ours, so that taking the cloud down ends them too, whatever became of us.
"""

from pathlib import Path
from typing import Final

from minicloud import endpoints, readiness, units
from minicloud.places import Places
from minicloud.services import once
from minicloud.units import UnitState

LOG_TAIL: Final = 20  # Lines of its log that a failure shows.


class ErrandError(Exception):
    """A command ended with an error. `log` is where all it said can be read."""

    def __init__(self, name: str, exit_status: int | None, log: str, tail: str) -> None:
        super().__init__(f"{name} ended with {exit_status}; see {log}:\n{tail}")
        self.name = name
        self.log = log


def run(places: Places, name: str, *argv: str, timeout: float, extra: dict[str, str] | None = None) -> None:
    """Run a command of the virtual environment in ctl-1 to its end.

    Raises ErrandError if it fails, NotReadyError if it is not done after `timeout` seconds.
    """
    unit = once(places, name, *argv, extra=extra)
    units.start(endpoints.CONTROL_HOST, unit, cloud=places.layout)

    def ended() -> units.UnitStatus | None:
        found = units.status(endpoints.CONTROL_HOST, name, cloud=places.layout)
        return found if found is not None and found.state is UnitState.ENDED else None

    found = readiness.wait_for(f"end of {name}", ended, timeout=timeout)
    units.forget(endpoints.CONTROL_HOST, name, cloud=places.layout)
    if found.exit_status != 0:
        assert unit.log is not None
        raise ErrandError(name, found.exit_status, unit.log, tail(unit.log))


def end(places: Places, name: str) -> None:
    """Stop a unit of ctl-1 and return when it has ended; nothing happens if there is none of that name."""
    if units.status(endpoints.CONTROL_HOST, name, cloud=places.layout) is None:
        return
    units.stop(endpoints.CONTROL_HOST, name, cloud=places.layout)

    def ended() -> bool:
        found = units.status(endpoints.CONTROL_HOST, name, cloud=places.layout)
        return found is None or found.state is UnitState.ENDED

    readiness.wait_for(f"end of {name}", ended, timeout=units.STOP_TIMEOUT * 2)


def tail(log: str) -> str:
    """Return the last lines of a log; nothing if there is none."""
    try:
        lines = Path(log).read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL:])
    except OSError:
        return ""
