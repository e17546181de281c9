"""Reads the arguments of one request, each once, with its type and its bound; what is left over is an error as well.

Whatever a caller sends ends as a value or as an `ArgumentError` that names the argument and what would be right.
"""

import base64
import binascii
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ceilo_gossip.contract.errors import ContractError
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.contract.verdict import check_host


class ArgumentError(Exception):
    """An argument cannot be worked with; one line for an operator."""

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        super().__init__(f"argument {name!r}: {problem}; {remedy}")
        self.name = name


class Arguments:
    """The arguments of one request. `finish` after the last has been taken."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = dict(given)
        self._known: list[str] = []

    def _take(self, name: str) -> Any:
        """The value, None if there is none: JSON's null means the same as nothing."""
        self._known.append(name)
        return self._given.pop(name, None)

    def finish(self) -> None:
        """Refuse what nobody asked for: a misspelt argument must not look as if it had been obeyed."""
        if self._given:
            known = ", ".join(self._known) or "no arguments"
            raise ArgumentError(next(iter(self._given))[:40], "is not known here", f"this verb takes {known}")

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise ArgumentError(name, f"is {_shown(value)}", "give true or false")
        return value

    def text(self, name: str, *, most: int) -> str:
        """Text that must be there, of 1..`most` bytes of UTF-8."""
        found = self.optional_text(name, most=most)
        if found is None:
            raise ArgumentError(name, "is missing", f"give text of at most {most} bytes")
        return found

    def optional_text(self, name: str, *, most: int) -> str | None:
        """Text of 1..`most` bytes of UTF-8, None if there is none."""
        value = self._take(name)
        return None if value is None else _text(name, value, most)

    def texts(self, name: str, *, most: int, longest: int) -> tuple[str, ...]:
        """A list of at most `most` texts of at most `longest` bytes each; empty if there is none."""
        return tuple(_text(name, value, longest) for value in self._list(name, most))

    def pairs(self, name: str, *, most: int, longest: int) -> tuple[tuple[str, str], ...]:
        """A list of at most `most` pairs of texts; empty if there is none."""
        found = []
        for value in self._list(name, most):
            if not isinstance(value, list) or len(value) != 2:
                raise ArgumentError(name, f"holds {_shown(value)}", 'give a list of pairs like ["role", "compute"]')
            found.append((_text(name, value[0], longest), _text(name, value[1], longest)))
        return tuple(found)

    def octets(self, name: str, *, most: int) -> bytes | None:
        """At most `most` bytes, given in base64; None if there is none. The error never repeats what was given."""
        value = self._take(name)
        if value is None:
            return None
        try:
            if not isinstance(value, str):
                raise ValueError("no text")
            found = base64.b64decode(value, validate=True)
        except (ValueError, binascii.Error) as error:
            raise ArgumentError(name, "is not base64", f"give at most {most} bytes in base64") from error
        if len(found) > most:
            raise ArgumentError(name, f"has {len(found)} bytes", f"give at most {most}")
        return found

    def whole(self, name: str, *, low: int, high: int, default: int) -> int:
        """A whole number within `low`..`high`."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ArgumentError(name, f"is {_shown(value)}", f"give a whole number within {low}..{high}")
        return value

    def seconds(self, name: str, *, low: float, high: float) -> float | None:
        """A length of time within `low`..`high`, None if there is none."""
        value = self._take(name)
        if value is None:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or not low <= value <= high:
            raise ArgumentError(name, f"is {_shown(value)}", f"give seconds within {low:g}..{high:g}")
        return float(value)

    def host(self, name: str) -> str:
        """The name of a host that must be given."""
        found = self.optional_host(name)
        if found is None:
            raise ArgumentError(name, "is missing", "give the name of a host, as `members` shows it")
        return found

    def optional_host(self, name: str) -> str | None:
        """The name of a host, None if there is none."""
        found = self.optional_text(name, most=255)
        if found is None:
            return None
        try:
            check_host(name, found)
        except ContractError as error:
            raise ArgumentError(name, error.problem, "give the name of a host, as `members` shows it") from error
        return found

    def network(self, name: str, *, default: Network) -> Network:
        """One network."""
        value = self._take(name)
        return default if value is None else _network(name, value)

    def networks(self, name: str) -> tuple[Network, ...]:
        """A list of networks, in the order of `Network`; all of them if there is none."""
        values = self._list(name, len(Network))
        chosen = {_network(name, value) for value in values}
        return tuple(network for network in Network if network in chosen or not chosen)

    def choices(self, name: str, allowed: Iterable[str]) -> frozenset[str]:
        """A list of words, all of them `allowed`; empty if there is none."""
        known = tuple(allowed)
        found = self.texts(name, most=len(known), longest=64)
        for word in found:
            if word not in known:
                raise ArgumentError(name, f"names {_shown(word)}", f"known are {', '.join(known)}")
        return frozenset(found)

    def _list(self, name: str, most: int) -> list[Any]:
        value = self._take(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise ArgumentError(name, f"is {_shown(value)}", "give a list")
        if len(value) > most:
            raise ArgumentError(name, f"has {len(value)} entries", f"give at most {most}")
        return value


def _network(name: str, value: Any) -> Network:
    try:
        return Network(value)
    except ValueError as error:
        raise ArgumentError(name, f"is {_shown(value)}", f"give one of {', '.join(Network)}") from error


def _text(name: str, value: Any, most: int) -> str:
    if not isinstance(value, str):
        raise ArgumentError(name, f"is {_shown(value)}", "give text")
    try:
        length = len(value.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise ArgumentError(name, "holds half a character", "give text in UTF-8") from error
    if not 1 <= length <= most:
        raise ArgumentError(name, f"has {length} bytes", f"give 1 to {most}")
    return value


def _shown(value: Any) -> str:
    """What was given, short and in ASCII, as it goes to a terminal and to the log."""
    return ascii(value)[:40]
