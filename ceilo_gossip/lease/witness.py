"""A witness: issues heartbeats, and revokes hosts when a majority of the electorate is asked to.

Rules it keeps:

* A revocation is stored before it is acknowledged, and every heartbeat issued after the acknowledgement carries it.
* A witness that starts issues nothing before it has its stored revocations back: they are an argument of its making.
* A revocation belongs to an incident. Lifting it names the incident, so that a late message of an old incident does
  not lift the revocation of a new one; revoking anew for another incident takes the place of the old one.
* It is by name of host, not by boot: a host that was reset is not admitted again before its incident has ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ceilo_gossip.lease.heartbeat import MAX_REVOKED, Heartbeat, make_heartbeat


@dataclass(frozen=True, slots=True)
class StoreRevocations:
    """Store `revocations` (host -> incident) durably, then call `stored` with `ticket`; only then answer."""

    revocations: Mapping[str, str]
    ticket: int


class RevocationRefused(ValueError):
    """The witness cannot do what it is asked for; the text says why, and what to do."""


class Witness:
    """The witness on one host.

    boot_id      16 bytes, of this boot
    electorates  ids: the present one, and the one before while it is being changed
    revocations  as they were stored last
    """

    def __init__(
        self, name: str, boot_id: bytes, *, electorates: tuple[str, ...], revocations: Mapping[str, str]
    ) -> None:
        self._name = name
        self._boot_id = boot_id
        self._electorates = electorates
        self._revocations: Mapping[str, str] = MappingProxyType(dict(revocations))
        self._wanted: dict[str, str] = dict(revocations)
        self._ticket = 0
        self._stored_ticket = 0
        self._last_us = -1

    @property
    def revocations(self) -> Mapping[str, str]:
        """Host -> incident, as stored: what the next heartbeat carries."""
        return self._revocations

    def issue(self, clock: float) -> Heartbeat | None:
        """The heartbeat of this instant; None when the clock has not moved since the last one.

        clock: seconds since our boot, time spent in suspend included.
        """
        heartbeat = make_heartbeat(
            self._name, self._boot_id, clock=clock, electorates=self._electorates, revoked=self._revocations
        )
        if heartbeat.issued_us <= self._last_us:
            return None
        self._last_us = heartbeat.issued_us
        return heartbeat

    def revoke(self, host: str, incident: str) -> StoreRevocations:
        """Somebody asks to revoke `host` for `incident`; to be acknowledged after `stored`, also when it is not new."""
        if host not in self._wanted and len(self._wanted) >= MAX_REVOKED:
            raise RevocationRefused(
                f"{MAX_REVOKED} hosts are revoked already, as many as a heartbeat can carry; end their incidents first"
            )
        self._wanted[host] = incident
        return self._store()

    def lift(self, host: str, incident: str) -> StoreRevocations:
        """The incident has ended: `host` may have a lease again. Nothing happens when another incident revoked it."""
        if self._wanted.get(host) == incident:
            del self._wanted[host]
        return self._store()

    def stored(self, request: StoreRevocations) -> None:
        """What was asked for is on disk. One that was overtaken by a newer request changes nothing any more."""
        if request.ticket > self._stored_ticket:
            self._stored_ticket = request.ticket
            self._revocations = request.revocations

    def _store(self) -> StoreRevocations:
        self._ticket += 1
        return StoreRevocations(MappingProxyType(dict(self._wanted)), self._ticket)
