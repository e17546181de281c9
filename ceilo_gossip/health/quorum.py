"""Whether our own view of one network may be believed: a majority of the electorate answers us there, now.

An observer whose own card or switch broke sees everybody else die. So before anything bad is said about anyone, the
witnesses are asked again and a majority of them must answer on that very network. Only answers to questions that
were asked *after* the moment in doubt count: an answer that lay in a socket's buffer while this process was
paused proves nothing about the time since.

The machine, all of it in `_move`:

    RESTING --doubt--> ASKING --majority answers--> HELD --no majority within `window`--> LOST --majority--> HELD
                       ASKING --`window` passes---> LOST
                       ASKING, HELD --calm--> RESTING       (a lost quorum keeps asking until it is regained)
"""

import dataclasses
import enum
from collections.abc import Iterable


class QuorumPhase(enum.Enum):
    """What is known about our connection to the electorate on one network."""

    RESTING = "resting"  # Nobody is doubted, so nobody was asked.
    ASKING = "asking"  # Asked, and not yet enough answers to say either way.
    HELD = "held"
    LOST = "lost"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QuorumSettings:
    """`electorate` are the names of the witnesses, `own` is this host's.

    window        an answer counts for this long, seconds
    ask_interval  how often the witnesses are asked while someone is doubted, seconds
    """

    electorate: frozenset[str]
    own: str
    window: float = 5.0  # Five missed questions: longer than any probe timeout, shorter than a LAN suspicion.
    ask_interval: float = 1.0

    def __post_init__(self) -> None:
        if len(self.electorate) % 2 == 0:
            raise ValueError("an electorate has an odd number of witnesses, so that one side of a split has a majority")
        if not 0 < self.ask_interval < self.window:
            raise ValueError("the witnesses must be asked at least once within the quorum window")

    @property
    def majority(self) -> int:
        """How many witnesses are enough."""
        return len(self.electorate) // 2 + 1


class Quorum:
    """Keeps the answers of the witnesses on one network, and what follows from them."""

    def __init__(self, settings: QuorumSettings) -> None:
        self._settings = settings
        self._asked_at: dict[str, float] = {}
        self._phase = QuorumPhase.RESTING
        self._doubted_at = 0.0
        self._next_ask_at = 0.0

    @property
    def phase(self) -> QuorumPhase:
        """What is known at this moment."""
        return self._phase

    def handle_answer(self, witness: str, asked_at: float, now: float) -> None:
        """`witness` answered a question that left us at `asked_at`; names outside the electorate are ignored."""
        if witness in self._settings.electorate and asked_at > self._asked_at.get(witness, -1.0):
            self._asked_at[witness] = asked_at
        self._move(now)

    def doubt(self, now: float) -> None:
        """Somebody on this network is doubted: find out whether the trouble is ours."""
        if self._phase is QuorumPhase.RESTING:
            self._phase = QuorumPhase.ASKING
            self._doubted_at = now
            self._next_ask_at = now
        self._move(now)

    def calm(self, now: float) -> None:
        """Nobody on this network is doubted any more."""
        self._move(now)
        if self._phase in (QuorumPhase.ASKING, QuorumPhase.HELD):
            self._phase = QuorumPhase.RESTING

    def handle_timer(self, now: float) -> None:
        """Let time pass: answers grow old."""
        self._move(now)

    def get_timer(self) -> float | None:
        """The next instant at which `handle_timer` or `take_question` has something to do; None while resting."""
        return None if self._phase is QuorumPhase.RESTING else self._next_ask_at

    def take_question(self, now: float) -> bool:
        """Whether the witnesses are to be asked now; says so once for each `ask_interval`."""
        if self._phase is QuorumPhase.RESTING or now < self._next_ask_at:
            return False
        self._next_ask_at = now + self._settings.ask_interval
        return True

    def ask_at_once(self, now: float) -> None:
        """Make the next `take_question` say yes: something just happened that needs answers newer than now."""
        self.doubt(now)
        self._next_ask_at = now

    def is_held_since(self, instant: float) -> bool:
        """Whether a majority has answered questions asked at or after `instant`."""
        return self.answered_since(instant) >= self._settings.majority

    def answered_since(self, instant: float) -> int:
        """How many witnesses, this host included if it is one, have answered questions asked at or after `instant`."""
        return sum(1 for _ in self._answering(instant))

    def tell(self, instant: float) -> str:
        """Say for an operator how many witnesses have answered questions asked at or after `instant`."""
        return f"{self.answered_since(instant)} of {len(self._settings.electorate)} witnesses answer"

    def _answering(self, instant: float) -> Iterable[str]:
        for witness in self._settings.electorate:
            if witness == self._settings.own or self._asked_at.get(witness, -1.0) >= instant:
                yield witness

    def _move(self, now: float) -> None:
        recent = self.is_held_since(now - self._settings.window)
        if self._phase is QuorumPhase.ASKING:
            if self.is_held_since(self._doubted_at):
                self._phase = QuorumPhase.HELD
            elif now >= self._doubted_at + self._settings.window:
                self._phase = QuorumPhase.LOST
        elif self._phase is QuorumPhase.HELD and not recent:
            self._phase = QuorumPhase.LOST
        elif self._phase is QuorumPhase.LOST and recent:
            self._phase = QuorumPhase.HELD
