"""A witness: issues heartbeats, and revokes hosts when a majority of the electorate is asked to.

Rules it keeps:

* What it promises is stored before it is acknowledged, and every heartbeat issued after the acknowledgement of a
  revocation carries it.
* A witness that starts issues nothing before it has its record back: the record is an argument of its making.
* A revocation belongs to an incident. Lifting it names the incident, so that a late message of an old incident does
  not lift the revocation of a new one; revoking anew for another incident takes the place of the old one.
* It is by name of host, not by boot: a host that was reset is not admitted again before its incident has ended.
* A host that is about to disarm its watchdog (a planned stop, maintenance) is exempted by a majority first. A witness
  revokes no exempted host and exempts no revoked one; as two majorities share a witness, nobody can be told both that
  the host will be dead in time and that it may live without a watchdog.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ceilo_gossip.contract.errors import ContractError
from ceilo_gossip.contract.verdict import check_host
from ceilo_gossip.lease.heartbeat import MAX_REVOKED, Heartbeat, make_heartbeat

MAX_EXEMPT = 4096  # As many hosts as an agent judges (health.judge.MAX_HOSTS).
MAX_INCIDENT_LENGTH = 64  # Characters; ours are UUIDs.


@dataclass(frozen=True, slots=True)
class WitnessRecord:
    """What a witness must not forget. revoked: host -> incident. exempt: hosts that live without a watchdog."""

    revoked: Mapping[str, str] = field(default_factory=dict)
    exempt: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for host in (*self.revoked, *self.exempt):
            check_host("host", host)
        for incident in self.revoked.values():
            if not (1 <= len(incident) <= MAX_INCIDENT_LENGTH and incident.isprintable()):
                raise ContractError("incident", f"must have 1..{MAX_INCIDENT_LENGTH} printable characters")
        both = sorted(self.exempt & set(self.revoked))
        if both:
            raise ContractError("record", f"{', '.join(both)} cannot be revoked and exempt at one time")
        object.__setattr__(self, "revoked", MappingProxyType(dict(self.revoked)))


@dataclass(frozen=True, slots=True)
class StoreRecord:
    """Store `record` durably, then hand this to `Witness.stored`; only then answer whoever asked."""

    record: WitnessRecord
    ticket: int


class WitnessRefused(ValueError):
    """The witness cannot do what it is asked for; the text says why, and what to do."""


class Witness:
    """The witness on one host.

    boot_id      16 bytes, of this boot
    electorates  ids: the present one, and the one before while it is being changed
    record       as it was stored last
    """

    def __init__(self, name: str, boot_id: bytes, *, electorates: tuple[str, ...], record: WitnessRecord) -> None:
        self._name = name
        self._boot_id = boot_id
        self._electorates = electorates
        self._record = record
        self._wanted = record
        self._ticket = 0
        self._stored_ticket = 0
        self._last_us = -1

    @property
    def record(self) -> WitnessRecord:
        """As stored: what the next heartbeat carries."""
        return self._record

    def issue(self, clock: float) -> Heartbeat | None:
        """The heartbeat of this instant; None when the clock has not moved since the last one.

        clock: seconds since our boot, time spent in suspend included.
        """
        heartbeat = make_heartbeat(
            self._name, self._boot_id, clock=clock, electorates=self._electorates, revoked=self._record.revoked
        )
        if heartbeat.issued_us <= self._last_us:
            return None
        self._last_us = heartbeat.issued_us
        return heartbeat

    def revoke(self, host: str, incident: str) -> StoreRecord:
        """Somebody asks to revoke `host` for `incident`; to be acknowledged after `stored`, also when it is not new.

        `WitnessRefused` for an exempted host, and above MAX_REVOKED.
        """
        if host in self._wanted.exempt:
            raise WitnessRefused(f"{host} has announced that it lives without a watchdog, so nothing ends it in time")
        if host not in self._wanted.revoked and len(self._wanted.revoked) >= MAX_REVOKED:
            raise WitnessRefused(
                f"{MAX_REVOKED} hosts are revoked already, as many as a heartbeat can carry; end their incidents first"
            )
        return self._want(replace(self._wanted, revoked={**self._wanted.revoked, host: incident}))

    def lift(self, host: str, incident: str) -> StoreRecord:
        """The incident has ended: `host` may have a lease again. Nothing happens when another incident revoked it."""
        kept = {name: why for name, why in self._wanted.revoked.items() if (name, why) != (host, incident)}
        return self._want(replace(self._wanted, revoked=kept))

    def exempt(self, host: str) -> StoreRecord:
        """`host` is about to disarm its watchdog. `WitnessRefused` for a revoked one: it must not."""
        if host in self._wanted.revoked:
            raise WitnessRefused(f"{host} is revoked (incident {self._wanted.revoked[host]}) and must not be disarmed")
        if host not in self._wanted.exempt and len(self._wanted.exempt) >= MAX_EXEMPT:
            raise WitnessRefused(f"{MAX_EXEMPT} hosts are exempt already")
        return self._want(replace(self._wanted, exempt=self._wanted.exempt | {host}))

    def rearm(self, host: str) -> StoreRecord:
        """The watchdog of `host` is armed again."""
        return self._want(replace(self._wanted, exempt=self._wanted.exempt - {host}))

    def stored(self, request: StoreRecord) -> None:
        """What was asked for is on disk. One that was overtaken by a newer request changes nothing any more."""
        if request.ticket > self._stored_ticket:
            self._stored_ticket = request.ticket
            self._record = request.record

    def _want(self, record: WitnessRecord) -> StoreRecord:
        self._wanted = record
        self._ticket += 1
        return StoreRecord(record, self._ticket)
