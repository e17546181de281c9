"""Evidence about hosts becomes verdicts; pure.

`sighting` is what goes in, `quorum` says whether our own view of a network may be believed, `judge` concludes,
`speakers` and `announcer` decide who tells it and when. Nothing here knows a clock, a socket or the gossip packages:
the assembly translates. Every machine has the common shape: handle_*(..., now), handle_timer(now), get_timer(),
next_event().
"""
