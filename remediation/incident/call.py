"""A call: one authenticated request of Aodh to our webhook, as it is stored before it is acknowledged."""

import dataclasses

from ceilo_gossip.contract.verdict import Verdict

MAX_NAME_LENGTH = 255  # Aodh's own limit for alarm names, and the width of our columns.


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Aodh says that alarm `alarm_name`, made for matrix row `row`, matched an event about `verdict.host`.

    call_id          ours: unique for each request that arrived
    alarm_id         Aodh's
    alarm_name       Aodh's
    row              name of the matrix row that the alarm was compiled from
    verdict          what the event said; a hint only, nothing is fenced because of it alone
    event_generated  when the notification was sent, ISO 8601 in UTC
    received_at      when the request reached us, ISO 8601 in UTC
    message_id       the notification's id; the same event delivered again carries the same one
    """

    call_id: str
    alarm_id: str
    alarm_name: str
    row: str
    verdict: Verdict
    event_generated: str
    received_at: str
    message_id: str

    def __post_init__(self) -> None:
        for name, text in (
            ("call_id", self.call_id),
            ("alarm_id", self.alarm_id),
            ("alarm_name", self.alarm_name),
            ("row", self.row),
            ("message_id", self.message_id),
        ):
            if not 0 < len(text) <= MAX_NAME_LENGTH:
                raise ValueError(f"{name} must have 1 to {MAX_NAME_LENGTH} characters, not {len(text)}")
