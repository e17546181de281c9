"""The fake beside the port: calls in memory."""

import dataclasses

from remediation.incident.call import Call
from remediation.store.errors import StoreError


@dataclasses.dataclass(frozen=True, slots=True)
class MemoryRecorded:
    """What became of a call."""

    incident_id: str
    is_new: bool
    is_duplicate: bool


class MemoryCalls:
    """Keeps calls in `recorded`, one incident for each host. While `is_broken`, it is a database that is away."""

    def __init__(self) -> None:
        self.recorded: list[Call] = []
        self.is_broken = False
        self._incidents: dict[str, str] = {}

    def record_call(self, call: Call) -> MemoryRecorded:
        """Keep `call`, unless its event is known."""
        if self.is_broken:
            raise StoreError("the database is away")
        host = call.verdict.host
        is_duplicate = any(known.message_id == call.message_id for known in self.recorded)
        is_new = host not in self._incidents
        incident_id = self._incidents.setdefault(host, f"incident-of-{host}")
        if not is_duplicate:
            self.recorded.append(call)
        return MemoryRecorded(incident_id, is_new=is_new, is_duplicate=is_duplicate)
