"""What the judge asks of, and tells to, the assembly."""

import dataclasses

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.conclusion import Conclusion
from ceilo_gossip.health.quorum import QuorumPhase


@dataclasses.dataclass(frozen=True, slots=True)
class AskWitnesses:
    """Probe each witness on `network` now; hand the answers to `Judge.handle_answer`."""

    network: Network


@dataclasses.dataclass(frozen=True, slots=True)
class AskHost:
    """Probe `host` on `network` now: it is doubted elsewhere, and one failure should become one verdict."""

    network: Network
    host: str


@dataclasses.dataclass(frozen=True, slots=True)
class QuorumMoved:
    """Our connection to the electorate on `network` went from `before` to `after`."""

    network: Network
    before: QuorumPhase
    after: QuorumPhase


@dataclasses.dataclass(frozen=True, slots=True)
class Concluded:
    """A conclusion replaced `before`, which is None for a host not known until now."""

    conclusion: Conclusion
    before: Conclusion | None


@dataclasses.dataclass(frozen=True, slots=True)
class LateLeave:
    """The pool of `network` calls `host` left, after we found the host DOWN: no good-bye, so the verdict stays."""

    network: Network
    host: str


JudgeEvent = AskWitnesses | AskHost | QuorumMoved | Concluded | LateLeave
