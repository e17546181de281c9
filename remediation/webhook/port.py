"""What the webhook needs of the store."""

from typing import Protocol

from remediation.incident.call import Call


class RecordedCall(Protocol):
    """What became of a call."""

    @property
    def incident_id(self) -> str:
        """The incident that the call belongs to."""

    @property
    def is_new(self) -> bool:
        """Whether the call opened it."""

    @property
    def is_duplicate(self) -> bool:
        """Whether this event was known already."""


class Calls(Protocol):
    """Where calls are kept."""

    def record_call(self, call: Call) -> RecordedCall:
        """Store `call`, durably when it returns.

        Raises StoreError, or the database's own errors, when that is not certain: the call is then not acknowledged.
        """
