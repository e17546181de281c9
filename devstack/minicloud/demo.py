"""The demo: brings the cloud up, breaks hosts one after the other, shows the recovery, and says what came true.

On a terminal it draws a live picture; elsewhere it prints a line for each change. The exit status is 0 only if every
promise of every story came true and the disk checker saw no instance on two hosts.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from rich import box
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from minicloud import stories
from minicloud.cloud import Cloud
from minicloud.observer import Observer, Watch, changes
from minicloud.picture import Snapshot, grid, picture
from minicloud.readiness import wait_for
from minicloud.scene import Scene
from minicloud.stories import Finding, Outcome
from remediation.incident.timeline import Stage

INSTANCES: Final = {"cmp-1": 2, "cmp-2": 2, "cmp-3": 3, "cmp-4": 1, "cmp-5": 1}
COLUMNS: Final = {
    Stage.FIRST_SUSPICION: "first suspicion",
    Stage.VERDICT: "verdict",
    Stage.EVENT: "event",
    Stage.WEBHOOK: "webhook",
    Stage.FENCE_EVIDENCE: "fence evidence",
    Stage.FORCED_DOWN: "forced down",
    Stage.EVACUATE_ACCEPTED: "evacuate accepted",
    Stage.FIRST_ACTIVE: "first active",
    Stage.LAST_ACTIVE: "last active",
}
_INTRODUCTION: Final = """\
A pocket OpenStack on this machine: three controllers, five compute hosts, each with its own management, storage and
tunnel network, a BMC and a watchdog. Keystone, Nova, Neutron, Placement, Glance, Gnocchi, Ceilometer, Aodh, RabbitMQ,
and MariaDB are real. Only the metal is made up: a host is a group of processes that a power cut kills at once, and
an instance is a process that keeps writing its host's name to a disk on the shared storage.

Every host runs a gossip agent. Three hosts are now broken, each in another way. Watch what the agents see, what Aodh
decides and what the remediator does, and whether any instance ever ran twice."""
_AFTERWARDS: Final = """\
The cloud is still up. To look around:
  devstack/minicloud.sh shell                a shell inside the controller, with openstack's environment set
  devstack/minicloud.sh status               hosts, services, endpoints
  devstack/minicloud.sh break network cmp-4 storage     and: heal network cmp-4 storage
  devstack/minicloud.sh down                 takes everything down"""
LOG_WIDTH: Final = 150  # Columns, for output that goes to a file.
DOUBLE_WRITER_TIMEOUT: Final = 30.0  # A stalled guest tries again each second once its storage is back.

Story = Callable[[Scene, str, stories.Tell], Outcome]
STORIES: Final[Mapping[str, tuple[str, Story]]] = {
    "cmp-1": (
        "Story 1: lose only management. Evacuating would be the outage; nothing may be fenced.",
        stories.cut_management,
    ),
    "cmp-2": (
        "Story 2: lose storage. The host looks alive, its disks are gone; fence, then evacuate.",
        stories.cut_storage,
    ),
    "cmp-3": ("Story 3: lose power. Prove that it is off, then evacuate.", stories.cut_power),
}


class Theatre:
    """Tells stories on a console: live picture on a terminal, lines elsewhere."""

    def __init__(self, console: Console, scene: Scene) -> None:
        self._console = console
        self._scene = scene
        self._began = time.monotonic()
        self._headline = ""
        self._last: Snapshot | None = None

    def tell(self, text: str) -> None:
        """Print what is done or seen, with the seconds since the demo began."""
        self._headline = text
        self._line(text, style="bold")

    def play(self, host: str, headline: str, story: Story) -> Outcome:
        """Let `story` happen to `host` while it is watched; return what it found."""
        self._console.rule(Text(headline))
        observer = Observer(self._scene, since=time.time())
        observer.note_fault(host, time.time())
        if self._console.is_terminal:
            with Live(console=self._console, auto_refresh=False, transient=True) as live:

                def redraw(_: Snapshot, after: Snapshot) -> None:
                    self._last = after
                    live.update(picture(after, self._headline), refresh=True)

                with Watch(observer, redraw):
                    outcome = story(self._scene, host, self.tell)
        else:
            with Watch(observer, self._print_changes):
                outcome = story(self._scene, host, self.tell)
        self._console.print(picture(observer.look(), f"{headline} The end of it:"))
        self._console.print(findings_table(outcome.findings))
        return outcome

    def _print_changes(self, before: Snapshot, after: Snapshot) -> None:
        for line in changes(before, after):
            self._line(line)

    def _line(self, text: str, *, style: str = "") -> None:
        self._console.print(Text(f"[{time.monotonic() - self._began:6.1f} s] {text}", style=style), soft_wrap=True)


def run(cloud: Cloud, *, keep: bool = False, without_fencing: bool = False, console: Console | None = None) -> int:
    """Run the demo; return its exit status. With `keep` the cloud stays up; otherwise nothing of it is left."""
    console = console or make_console()
    console.print(Panel(_INTRODUCTION, title="ceilo-gossip", box=box.ROUNDED))
    began = time.monotonic()
    cloud.down()
    came_true = False
    try:
        cloud.up()
        cloud.enter()
        console.print(f"The cloud was ready after {time.monotonic() - began:.0f} s.")
        scene = Scene(cloud)
        theatre = Theatre(console, scene)
        theatre.tell(f"creating {sum(INSTANCES.values())} instances")
        scene.create_instances(INSTANCES)
        console.print(grid(Observer(scene, since=time.time()).look()))
        outcomes = _play_unfenced(theatre, scene) if without_fencing else _play_all(theatre)
        disks = stories.check_disks(scene)
        came_true = all(outcome.came_true for outcome in outcomes) and disks.holds
    finally:
        if not came_true:
            cloud.keep_logs()
        if not keep:
            cloud.down()
    console.rule("What came true")
    console.print(stage_table(outcomes))
    console.print(findings_table([disks]))
    console.print(Text("Everything came true." if came_true else "NOT everything came true.", style="bold"))
    if keep:
        console.print(_AFTERWARDS)
    return 0 if came_true else 1


def make_console() -> Console:
    """Return a console: as wide as the terminal, or wide enough for the tables where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=LOG_WIDTH)


def _play_all(theatre: Theatre) -> list[Outcome]:
    return [theatre.play(host, headline, story) for host, (headline, story) in STORIES.items()]


def _play_unfenced(theatre: Theatre, scene: Scene) -> list[Outcome]:
    """Show why fencing exists: without it, the return of the storage network makes each instance run twice."""
    scene.cloud.restart_engine_without_fencing()

    def story(scene: Scene, host: str, tell: stories.Tell) -> Outcome:
        outcome = stories.cut_storage(scene, host, tell)
        seen: Callable[[], bool] = lambda: not stories.check_disks(scene).holds  # noqa: E731
        with outcome.expect("the disk checker sees the double writer"):
            wait_for("the disk checker sees a double writer", seen, timeout=DOUBLE_WRITER_TIMEOUT)
            outcome.find("the disk checker sees the double writer", True, stories.check_disks(scene).seen)
        return outcome

    return [theatre.play("cmp-2", "Lab: story 2 with fencing left out on purpose.", story)]


def stage_table(outcomes: list[Outcome]) -> Table:
    """Return the seconds from each fault to each stage."""
    table = Table(box=box.SIMPLE_HEAD, title="Seconds from the fault to ...", title_justify="left")
    table.add_column("story")
    for title in COLUMNS.values():
        table.add_column(title, justify="right")
    for outcome in outcomes:
        cells = [
            f"{outcome.stages[stage] - outcome.fault_at:.2f}" if stage in outcome.stages else "-" for stage in COLUMNS
        ]
        table.add_row(f"{outcome.host}: {outcome.title}", *cells)
    return table


def findings_table(findings: list[Finding]) -> Table:
    """Return what was promised and what was seen."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("promise")
    table.add_column("came true")
    table.add_column("seen", overflow="fold")
    for finding in findings:
        answer = Text("yes", style="green") if finding.holds else Text("NO", style="bold red")
        table.add_row(finding.claim, answer, finding.seen)
    return table
