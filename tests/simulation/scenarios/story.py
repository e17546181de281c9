"""A trace abridged to what a reviewer wants to see change.

Times and counts within a line hang on every draw of chance in gossip, and would change with each change of it; so they
are left out, but for those of the script's own steps. So is which engine carries an incident, which host an instance
goes to, and what several agents say alike. Whose line comes first when several hosts have a story at one time is
chance as well. What remains is, after each step of the script, what happened to each host, in its order.
"""

import re
from collections.abc import Iterable
from typing import Final

_LINE: Final = re.compile(r"\s*(?P<at>[\d.]+)  (?P<actor>\S+)\s+(?P<text>.*)")
_MOVE: Final = re.compile(r"\[\w+\] (?P<host>\S+) (?P<before>\w+) -> (?P<after>\w+): (?P<reason>.*) \(incident \S+\)$")
_OPENED: Final = re.compile(r"\[info\] (?P<host>\S+): call for row (?P<row>\S+) from \S+ opened incident")
_BLIND: Final = re.compile(r"\[warning\] Too few witnesses answer on (?P<network>\w+):")
_SEES: Final = re.compile(r"\[info\] A majority of witnesses answers on (?P<network>\w+) again")
_RUNS: Final = re.compile(r"(?P<instance>\S+) runs here now")
_DIGITS: Final = re.compile(r"\d+(\.\d+)?")
_HOST_NAMES: Final = re.compile(r"\b(cmp|ctl|i-cmp)-[\d-]+|rack-\d+|msg-\d+")
_HOST_LIST: Final = re.compile(r"\((cmp|ctl)-\d+(, (cmp|ctl)-\d+)*\)")
# States whose reason is part of the story, and not only how it was counted.
_TELLING: Final = ("held", "escalated", "dismissed")


def abridge(lines: Iterable[str]) -> list[str]:
    """Return the story of a trace: after each step of the script, what happened to whom, host by host."""
    story: list[str] = []
    since_step: dict[str, list[str]] = {}
    for line in lines:
        match = _LINE.match(line)
        assert match is not None, line
        if match["actor"] == "fault":
            story += _by_subject(since_step)
            since_step = {}
            story.append(f"{float(match['at']):g} {match['text']}")
            continue
        told = _tell(match["actor"], match["text"])
        if told is not None:
            subject, text = told
            before = since_step.setdefault(subject, [])
            if text not in before:
                before.append(text)
    return story + _by_subject(since_step)


def _by_subject(told: dict[str, list[str]]) -> list[str]:
    return [f"    {subject}: {text}" for subject in sorted(told) for text in told[subject]]


def _tell(actor: str, text: str) -> tuple[str, str] | None:
    """Return whom a line is about, and what it says, or None when it is not part of the story."""
    if (found := _MOVE.match(text)) is not None:
        if found["before"] == found["after"] == "held":
            return None  # Held for another reason, which hangs on who was seen again first.
        reason = f": {_plain(found['reason'])}" if found["after"] in _TELLING else ""
        return found["host"], f"{found['before']} -> {found['after']}{reason}"
    if (found := _OPENED.match(text)) is not None:
        return found["host"], f"Aodh calls for row {found['row']}"
    if (found := _BLIND.match(text)) is not None:
        return f"agent of {actor}", f"knows that it is blind on {found['network']}"
    if (found := _SEES.match(text)) is not None:
        return f"agent of {actor}", f"sees again on {found['network']}"
    if (found := _RUNS.match(text)) is not None:
        return found["instance"], "runs on another host"
    if text.startswith("[") or (actor == "aodh" and text.startswith("the webhook answers")):
        return None  # How, and not what.
    return actor, _plain(text)


def _plain(text: str) -> str:
    """Leave numbers out, but for those in names, and lists of hosts, which grow."""
    text = _HOST_LIST.sub("(...)", text)
    names = _HOST_NAMES.finditer(text)
    kept = {position for name in names for position in range(*name.span())}
    return _DIGITS.sub(lambda found: found[0] if found.start() in kept else "N", text)
