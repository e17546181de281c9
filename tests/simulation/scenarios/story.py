"""A trace abridged to what a reviewer wants to see change.

Times and counts within a line hang on every draw of chance in gossip, and would change with each change of it; so they
are left out, but for those of the script's own steps. So is which engine carries an incident, which host an instance
goes to, and what several agents say alike. What remains is what happened, in its order.
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
# States whose reason is part of the story, and not only how it was counted.
_TELLING: Final = ("held", "escalated", "dismissed")


def abridge(lines: Iterable[str]) -> list[str]:
    """Return the story of a trace."""
    story: list[str] = []
    seen: set[str] = set()
    for line in lines:
        match = _LINE.match(line)
        assert match is not None, line
        told = _tell(match["at"], match["actor"], match["text"])
        if told is None or told in seen:
            continue
        if match["actor"] == "fault":
            seen.clear()  # What is said again after something happened is news.
        seen.add(told)
        story.append(told)
    return _in_stable_order(story)


def _tell(at: str, actor: str, text: str) -> str | None:
    if actor == "fault":
        return f"{float(at):g} {text}"
    if (found := _MOVE.match(text)) is not None:
        reason = f": {_plain(found['reason'])}" if found["after"] in _TELLING else ""
        return f"    {found['host']}: {found['before']} -> {found['after']}{reason}"
    if (found := _OPENED.match(text)) is not None:
        return f"    {found['host']}: Aodh calls for row {found['row']}"
    if (found := _BLIND.match(text)) is not None:
        return f"    {actor} knows that it is blind on {found['network']}"
    if (found := _SEES.match(text)) is not None:
        return f"    {actor} sees again on {found['network']}"
    if (found := _RUNS.match(text)) is not None:
        return f"    {found['instance']} runs on another host"
    if text.startswith("["):
        return None  # Other log lines: how, and not what.
    if actor == "aodh" and text.startswith("the webhook answers"):
        return None
    return f"    {actor}: {_plain(text)}"


def _plain(text: str) -> str:
    """Leave numbers out, but for those in names."""
    names = _HOST_NAMES.finditer(text)
    kept = {position for name in names for position in range(*name.span())}
    return _DIGITS.sub(lambda found: found[0] if found.start() in kept else "N", text)


def _in_stable_order(story: list[str]) -> list[str]:
    """Sort lines about instances that follow one another: which of them is first is chance."""
    ordered: list[str] = []
    group: list[str] = []
    for line in [*story, ""]:
        if line.endswith("runs on another host"):
            group.append(line)
            continue
        ordered += sorted(group)
        group = []
        ordered.append(line)
    return ordered[:-1]
