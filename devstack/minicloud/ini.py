"""oslo.config files from mappings: one section after the other, a list for an option that is given several times."""

from collections.abc import Mapping, Sequence

Value = str | int | float | bool | Sequence[str]
Sections = Mapping[str, Mapping[str, Value]]


def merge(*parts: Sections) -> dict[str, dict[str, Value]]:
    """Return the sections of all `parts`; a later part's option replaces an earlier one's."""
    merged: dict[str, dict[str, Value]] = {}
    for part in parts:
        for section, options in part.items():
            merged.setdefault(section, {}).update(options)
    return merged


def render(sections: Sections) -> str:
    """Return the file's text.

    A `$` in a value would be oslo.config's substitution; no value of ours means that, so it is doubled.
    """
    lines: list[str] = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        for name, value in options.items():
            values = [value] if isinstance(value, str | int | float) else list(value)
            lines += [f"{name} = {_text(one)}".rstrip() for one in values]
        lines.append("")
    return "\n".join(lines)


def _text(value: str | int | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).replace("$", "$$")
