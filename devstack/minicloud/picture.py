"""The demo's picture: hosts by networks, where each instance runs, and the open incidents, drawn with rich.

It draws snapshots and decides nothing; where a snapshot comes from is `observer`'s matter. Every state is told by a
word or a letter besides its colour, so that the picture reads the same in a log file.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ceilo_gossip.contract.networks import Network

_STATE_STYLE = {"up": "green", "suspect": "yellow", "down": "bold red", "unknown": "dim", "left": "dim", "off": "dim"}
_INCIDENT_STYLE = {"RECOVERED": "green", "DISMISSED": "dim", "ESCALATED": "bold red", "HELD": "yellow"}
MAX_TIMELINE_LINES = 14  # Keeps the live picture on a terminal of 50 lines.


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HostPicture:
    """One row of the grid.

    networks   what the agents of the controllers conclude: up, suspect, down, unknown
    power      "on" or "off", from the chassis itself: the truth, not what anybody believes
    scheduling Nova's view: "enabled", "disabled", "down", "forced down", or "" for a controller
    instances  names of the instances that Nova places on the host, with a mark when not ACTIVE
    """

    name: str
    networks: Mapping[Network, str]
    power: str
    scheduling: str
    instances: Sequence[str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimelineLine:
    """One line of an incident: seconds since the fault, the stage's name, and the sentence that explains it."""

    after: float | None
    stage: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPicture:
    """One incident: its host, its state as the engine names it, the action, and what happened so far."""

    host: str
    state: str
    action: str
    timeline: Sequence[TimelineLine]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that the picture shows at one instant."""

    hosts: Sequence[HostPicture]
    incidents: Sequence[IncidentPicture]


def grid(snapshot: Snapshot) -> Table:
    """Return the table hosts x networks with power, scheduling and instances."""
    table = Table(box=box.SIMPLE_HEAD, title="Hosts by networks, as the gossip agents see them", title_justify="left")
    table.add_column("host", no_wrap=True)
    table.add_column("power", no_wrap=True)
    for network in Network:
        table.add_column(network, no_wrap=True)
    table.add_column("nova-compute", no_wrap=True)
    table.add_column("instances (Nova)")
    for host in snapshot.hosts:
        table.add_row(
            host.name,
            _styled(host.power),
            *[_styled(host.networks.get(network, "unknown")) for network in Network],
            Text(host.scheduling, style="" if host.scheduling in ("", "enabled") else "yellow"),
            " ".join(host.instances) or Text("-", style="dim"),
        )
    return table


def incident(picture: IncidentPicture) -> Table:
    """Return an incident's timeline, newest lines last, bounded to MAX_TIMELINE_LINES."""
    style = _INCIDENT_STYLE.get(picture.state, "cyan")
    title = Text.assemble(
        "Incident of ", (picture.host, "bold"), f", action {picture.action}: ", (picture.state, style)
    )
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("after fault", justify="right", no_wrap=True)
    table.add_column("stage", no_wrap=True)
    table.add_column("what happened", overflow="fold")
    for line in picture.timeline[-MAX_TIMELINE_LINES:]:
        table.add_row("" if line.after is None else f"{line.after:.2f} s", line.stage, line.text)
    return table


def picture(snapshot: Snapshot, headline: str) -> RenderableType:
    """Return the whole live picture under its headline."""
    return Group(Text(headline, style="bold"), grid(snapshot), *[incident(one) for one in snapshot.incidents])


def _styled(state: str) -> Text:
    return Text(state, style=_STATE_STYLE.get(state, ""))
