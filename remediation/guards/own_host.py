"""The own-host guard: an engine never fences the host it runs on; it would die before it knew whether it worked."""

from collections.abc import Sequence

from remediation.guards.port import GuardContext, Trouble
from remediation.incident.facts import Decision


class OwnHostGuard:
    """Refuses the engine's own host. Approval does not lift a refusal."""

    def __init__(self, context: GuardContext) -> None:
        self._own_host = context.own_host

    def judge(self, host: str, troubles: Sequence[Trouble], *, now: float) -> tuple[Decision, str]:
        """Return REFUSE for the own host, else ALLOW."""
        if host == self._own_host:
            return Decision.REFUSE, f"this engine runs on {host} and does not fence itself"
        return Decision.ALLOW, ""
