"""A case: what one engine remembers about one incident that it carries, and how facts are made of it."""

import dataclasses

from ceilo_gossip.contract.networks import NetworkState
from remediation.incident.confirm import Tally
from remediation.incident.facts import Facts, GuardAnswer, Look, Role
from remediation.incident.incident import Incident, InstanceRecord
from remediation.incident.states import State
from remediation.matrix.model import Matrix
from remediation.workflow.leases import Tenure

# No step of these states looks at instances; the others need their records.
_WITHOUT_INSTANCES = frozenset(
    {State.RECEIVED, State.CONFIRMING, State.HELD, State.DISABLING, State.WATCHING, State.RECOVERED, State.ESCALATED}
)


@dataclasses.dataclass(slots=True)
class Case:
    """One engine's memory of one incident; see `facts.Facts` for the fields they share.

    not_before    nothing is due earlier, monotonic
    faults        by kind of step: how often in a row the world refused it
    call_count    calls seen so far
    has_plan      the planner's records are on this engine's clock
    is_plan_new   this engine has just made the plan, without older records: nobody can have acted on it yet
    moves_asked   live migrations asked for, by instance
    """

    incident_id: str
    host: str
    tenure: Tenure
    called_at: float
    call_count: int = 0
    not_before: float = 0.0
    faults: dict[str, int] = dataclasses.field(default_factory=dict)
    row_since: dict[str, float] = dataclasses.field(default_factory=dict)
    look: Look | None = None
    well_since: float | None = None
    role: Role | None = None
    guard: GuardAnswer | None = None
    is_returned: bool | None = None
    is_disabled: bool = False
    evidence_seen_at: float | None = None
    acted_at: float | None = None
    tried_again: int = 0
    has_plan: bool = False
    is_plan_new: bool = False
    moves_asked: dict[str, int] = dataclasses.field(default_factory=dict)

    def facts(self, incident: Incident, records: tuple[InstanceRecord, ...]) -> Facts:
        """Return what the next step is decided from."""
        return Facts(
            incident=incident,
            records=records,
            called_at=self.called_at,
            row_since=dict(self.row_since),
            look=self.look,
            well_since=self.well_since,
            role=self.role,
            guard=self.guard,
            is_returned=self.is_returned,
            is_disabled=self.is_disabled,
            evidence_seen_at=self.evidence_seen_at,
            acted_at=self.acted_at,
            tried_again=self.tried_again,
        )

    def notice_calls(self, count: int, rows: frozenset[str], now: float) -> None:
        """New calls came: their rows' settle times run from now, and the agents are to be asked again."""
        self.call_count = count
        self.called_at = now
        self.not_before = 0.0
        for row in rows:
            self.row_since.setdefault(row, now)

    def notice_look(self, tally: Tally, matrix: Matrix, *, asked_at: float, counted_at: float) -> None:
        """The agents were asked. A trouble that got smaller, or ended, and comes back begins its settle time anew."""
        self.look = Look(tally, asked_at, counted_at)
        self.is_returned = None
        if tally.is_up:
            self.well_since = counted_at if self.well_since is None else self.well_since
            self.row_since.clear()
            return
        self.well_since = None
        self._forget_contradicted(tally, matrix)
        if not tally.is_down:
            return
        row = matrix.row_for(tally.states)
        self.row_since.setdefault(row.name, asked_at)
        if not tally.is_certain:
            return
        for name in list(self.row_since):
            other = matrix.named(name)
            if other is None or other.action.strength > row.action.strength:
                del self.row_since[name]

    def _forget_contradicted(self, tally: Tally, matrix: Matrix) -> None:
        """Forget rows that need a network lost which is UP: however little is known of the others, they ended."""
        for name in list(self.row_since):
            row = matrix.named(name)
            if row is not None and any(tally.states[network] is NetworkState.UP for network in row.lost):
                del self.row_since[name]

    def notice_state(self, state: State, now: float) -> None:
        """The incident's state changed: what was remembered for the old one does not bind the new one."""
        self.faults.clear()
        self.not_before = 0.0
        self.acted_at = now if state is State.ESCALATED else None
        if state is not State.FENCING:
            self.is_returned = None
        if state is State.CONFIRMING:
            self.guard = None
            self.is_disabled = False


def needs_records(state: State) -> bool:
    """Whether steps of `state` look at the instances' records."""
    return state not in _WITHOUT_INSTANCES
