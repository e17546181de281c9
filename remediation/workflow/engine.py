"""The engine: finds the incidents that need a step, claims them, and has them carried, several at a time.

One slow BMC never blocks another host: each incident is carried by a thread of its own, from a small pool; this thread
only looks, claims, renews leases and hands out work. `poll` is one look; the daemon calls it at its interval.
"""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from oslo_db import exception as db_exception
from oslo_log import log

from ceilo_gossip.contract.networks import Network
from remediation.guards.port import Trouble
from remediation.incident.incident import Incident
from remediation.incident.states import State
from remediation.store.errors import LeaseLost
from remediation.store.store import OpenIncident, Store
from remediation.workflow.carrier import Carrier
from remediation.workflow.case import Case
from remediation.workflow.leases import LeaseWatch, Tenure

LOG = log.getLogger(__name__)

OWN_FAULT_PAUSE: Final = 60.0  # Seconds for which an incident rests after a fault of ours; the others go on.
Submit = Callable[[Callable[[], None]], "Future[None]"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EngineName:
    """`owner` is our name in leases, `lease` their length in seconds."""

    owner: str
    lease: float


class Troubles:
    """What this engine knows of every open incident, for the guards: since when which network is lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: dict[str, dict[Network, float]] = {}
        self._newest: tuple[Trouble, ...] = ()

    def notice(self, incidents: Sequence[Incident], now: float) -> None:
        """Take over what the database says now. A network that is lost no more is forgotten.

        A host that was recovered before this engine began may have waited for its return for days; when it lost its
        networks is not known here, and it counts for nothing.
        """
        since: dict[str, dict[Network, float]] = {}
        for incident in incidents:
            before = self._since.get(incident.incident_id, {})
            is_old = incident.state is State.RECOVERED and not before
            lost = {network for network in Network if network in incident.lost.split("+") and not is_old}
            since[incident.incident_id] = {network: before.get(network, now) for network in Network if network in lost}
        newest = tuple(Trouble(host=one.host, state=one.state, lost_since=since[one.incident_id]) for one in incidents)
        with self._lock:
            self._since, self._newest = since, newest

    def all(self) -> Sequence[Trouble]:
        """Return the newest view; from any thread."""
        with self._lock:
            return self._newest


class Engine:
    """One engine process's work. `poll` and `stop` are called by one thread; `submit` runs carriers in others."""

    def __init__(
        self,
        name: EngineName,
        *,
        store: Store,
        carrier: Carrier,
        troubles: Troubles,
        submit: Submit,
        clock: Callable[[], float],
    ) -> None:
        self._name = name
        self._store = store
        self._carrier = carrier
        self._troubles = troubles
        self._submit = submit
        self._clock = clock
        self._watch = LeaseWatch(own=name.owner, length=name.lease)
        self._cases: dict[str, Case] = {}
        self._running: dict[str, Future[None]] = {}
        self._is_stopping = False

    def poll(self) -> None:
        """Look once. A database that does not answer is waited for: its errors are logged, and leases run out."""
        try:
            self._poll()
        except db_exception.DBError as error:
            LOG.error("the database of incidents cannot be used, nothing is done meanwhile: %s", _one_line(error))

    def stop(self) -> None:
        """Begin no further step, wait for those under way, and leave the incidents to other engines."""
        self._is_stopping = True
        for future in list(self._running.values()):
            future.exception()
        for case in self._cases.values():
            try:
                self._store.release(case.tenure.lease)
            except db_exception.DBError as error:
                LOG.warning("a lease could not be released and runs out by itself: %s", _one_line(error))
        self._cases.clear()

    def _poll(self) -> None:
        self._collect()
        opened = self._store.list_open()
        self._troubles.notice([one.incident for one in opened], self._clock())
        ids = {one.incident.incident_id for one in opened}
        self._watch.forget_all_but(ids)
        for gone in set(self._cases) - ids - set(self._running):
            del self._cases[gone]
        for one in opened:
            self._attend(one)

    def _collect(self) -> None:
        """Take back finished carriers; what they raise that is no ordinary fault of the world ends this process."""
        for incident_id, future in list(self._running.items()):
            if future.done():
                del self._running[incident_id]
                future.result()

    def _attend(self, one: OpenIncident) -> None:
        incident = one.incident
        case = self._cases.get(incident.incident_id)
        if case is not None and case.tenure.is_lost and incident.incident_id not in self._running:
            del self._cases[incident.incident_id]
            case = None
        if case is None:
            case = self._claim(one)
            if case is None:
                return
        elif not self._renew(case):
            return
        if incident.incident_id in self._running:
            return
        now = self._clock()
        if incident.call_count != case.call_count:
            case.notice_calls(incident.call_count, self._store.rows_called(incident.incident_id), now)
        if incident.wish is not None:
            case.not_before = 0.0
        if now >= case.not_before and case.tenure.may_act(now):
            carried = case
            self._running[incident.incident_id] = self._submit(lambda: self._carry(carried))

    def _claim(self, one: OpenIncident) -> Case | None:
        now = self._clock()
        if not self._watch.may_take(one.lease, now):
            return None
        lease = self._store.claim(self._name.owner, one.lease)
        if lease is None:
            return None
        incident = one.incident
        if one.lease.owner not in (None, self._name.owner):
            LOG.warning("%s: incident %s taken over from %s", incident.host, incident.incident_id, one.lease.owner)
        case = Case(incident.incident_id, incident.host, Tenure(lease, now, self._name.lease), called_at=now)
        case.notice_calls(incident.call_count, self._store.rows_called(incident.incident_id), now)
        self._cases[incident.incident_id] = case
        return case

    def _renew(self, case: Case) -> bool:
        """Return whether the incident is still ours."""
        now = self._clock()
        if not case.tenure.is_due(now):
            return not case.tenure.is_lost
        try:
            case.tenure.lease = self._store.renew(case.tenure.lease)
        except LeaseLost as error:
            LOG.warning("%s: %s", case.host, error)
            case.tenure.is_lost = True
            return False
        case.tenure.renewed_at = now
        return True

    def _carry(self, case: Case) -> None:
        """Carry one incident; whatever goes wrong, the others go on."""
        try:
            self._carrier.carry(case, is_stopping=lambda: self._is_stopping)
        except LeaseLost as error:
            LOG.warning("%s: %s", case.host, error)
        except db_exception.DBError as error:
            LOG.error("%s: the database cannot be used, tried again: %s", case.host, _one_line(error))
            case.not_before = self._clock() + 1.0
        except Exception:
            # The one place: a fault of ours. The incident rests and is tried again; a person reads the traceback.
            LOG.exception("%s: incident %s hit a fault of this program", case.host, case.incident_id)
            case.not_before = self._clock() + OWN_FAULT_PAUSE


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
