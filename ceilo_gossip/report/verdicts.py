"""A conclusion with monotonic instants becomes a verdict with wall-clock ones, for people and other services to read.

The wall clock is read once; every instant is that reading less the age of the instant. So the instants of one verdict
agree among themselves even if the clock is set between the fault and the report.
"""

import datetime

from ceilo_gossip.contract.verdict import MAX_TEXT_LENGTH, Verdict
from ceilo_gossip.health.conclusion import Conclusion


def to_verdict(
    conclusion: Conclusion, *, speaker: str, sequence: int, repeat: int, now: float, wall: datetime.datetime
) -> Verdict:
    """Return the verdict; `wall` is the wall-clock time, with time zone, at the monotonic instant `now`."""

    def iso(instant: float) -> str:
        return (wall - datetime.timedelta(seconds=now - instant)).isoformat(timespec="milliseconds")

    first = conclusion.first_suspicion_at
    return Verdict(
        verdict_id=conclusion.verdict_id,
        sequence=sequence,
        repeat=repeat,
        host=conclusion.host,
        speaker=speaker,
        networks=conclusion.networks,
        conditions=frozenset(),
        since=iso(conclusion.since),
        first_suspicion_at=None if first is None else iso(first),
        concluded_at=iso(conclusion.concluded_at),
        reason=conclusion.reason[:MAX_TEXT_LENGTH],
        boot_id=conclusion.facts.boot_id,
        role=conclusion.facts.role,
    )
