"""From the text of a YAML file to a matrix, or to all of its problems with their lines.

The file is read as a tree of nodes, not as Python objects, so that each complaint can name its line and nothing of
YAML's magic (tags, anchors, merge keys) has a meaning here:

    version: 1
    networks:
      - name: storage-lost
        when: {management: up, storage: down, tunnel: up}
        action: evacuate
        settle: 30          # seconds
        why: the disks are gone, could come back, and would be written again
"""

import math
from typing import Final

import yaml

from ceilo_gossip.contract.networks import Network, NetworkState
from remediation.matrix.action import Action
from remediation.matrix.errors import MatrixError, Problem
from remediation.matrix.model import (
    MAX_NAME_LENGTH,
    MAX_SETTLE,
    MAX_WHY_LENGTH,
    Matrix,
    Row,
    combinations,
    describe,
    is_name,
)

VERSION: Final = "1"
MAX_BYTES: Final = 65536  # The shipped matrix has 2 KiB; eight rows with the longest reasons stay below 8 KiB.
# PyYAML composes by recursion and scans nested brackets in quadratic time: deeper files are left before either hurts.
MAX_DEPTH: Final = 16
_STR, _INT, _FLOAT = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float"))
_TOP_KEYS: Final = ("version", "networks")
_ROW_KEYS: Final = ("name", "when", "action", "settle", "why")
_STATES: Final = (NetworkState.UP, NetworkState.DOWN)
_CONDITIONS: Final = "rows for conditions are not supported by this release; remove the key"


def load(content: bytes, *, file: str) -> Matrix:
    """Return the matrix that `content` holds. `file` is its name, for the messages.

    Raises MatrixError with every problem found.
    """
    reading = _Reading(file)
    root = reading.compose(content)
    matrix = reading.matrix(root) if root is not None else None
    if reading.problems or matrix is None:
        raise MatrixError(tuple(sorted(reading.problems, key=lambda problem: problem.line)))
    return matrix


class _Reading:
    """One pass over one file: gathers problems and goes on, so that an operator sees all of them at once."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def complain(self, node: yaml.Node | None, text: str) -> None:
        line = node.start_mark.line + 1 if node is not None else 0
        self.problems.append(Problem(self.file, line, text))

    def compose(self, content: bytes) -> yaml.Node | None:
        """Return the tree, or None after a complaint."""
        if len(content) > MAX_BYTES:
            self.complain(None, f"is larger than {MAX_BYTES} bytes, which no matrix is; is it the right file?")
            return None
        try:
            text = content.decode()
            if _is_deeper(text, MAX_DEPTH):
                self.complain(None, "is nested too deeply; a matrix has four levels")
                return None
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except UnicodeDecodeError as error:
            self.complain(None, f"is not UTF-8 text (byte {error.start}); is it the right file?")
            return None
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 0
            self.problems.append(Problem(self.file, line, f"is not YAML: {error.problem or error.context}"))
            return None
        except yaml.YAMLError as error:
            self.complain(None, f"is not YAML: {' '.join(str(error).split())}")
            return None
        if root is None:
            self.complain(None, "is empty; start from the shipped etc/remediation/matrix.yaml")
        return root

    def matrix(self, root: yaml.Node) -> Matrix | None:
        entries = self.mapping(root, "the file", _TOP_KEYS, remedy={"conditions": _CONDITIONS})
        if entries is None:
            return None
        version = entries.get("version")
        if version is None:
            self.complain(root, f"version is missing; write version: {VERSION}")
        elif not isinstance(version, yaml.ScalarNode) or version.value != VERSION:
            self.complain(version, f"version must be {VERSION}, the only one this release reads")
        table = entries.get("networks")
        if table is None:
            self.complain(root, "networks is missing; it holds the rows of the matrix")
            return None
        if not isinstance(table, yaml.SequenceNode):
            self.complain(table, f"networks must be a list of rows, not {_kind(table)}")
            return None
        whole = [row for row in map(self.row, table.value) if row is not None]
        self.compare(table, whole, is_partial=len(whole) < len(table.value))
        return None if self.problems else Matrix(tuple(whole))

    def compare(self, table: yaml.Node, rows: list[Row], *, is_partial: bool) -> None:
        """Complain about names and combinations that appear twice or not at all."""
        by_name: dict[str, Row] = {}
        by_lost: dict[frozenset[Network], Row] = {}
        for row in rows:
            first = by_name.setdefault(row.name, row)
            if first is not row:
                text = f"name {row.name} is already taken in line {first.line}; give each row its own"
                self.problems.append(Problem(self.file, row.line, text))
            first = by_lost.setdefault(row.lost, row)
            if first is not row:
                text = f"row {row.name} is for the same combination as row {first.name} in line {first.line} "
                text += f"({describe(row.lost)}); keep one of them"
                self.problems.append(Problem(self.file, row.line, text))
        if is_partial:
            return  # A row that could not be read may be the one that seems to be missing.
        for lost in combinations():
            if lost not in by_lost:
                self.complain(
                    table, f"no row for {describe(lost)}; each combination needs one, `action: none` included"
                )

    def row(self, node: yaml.Node) -> Row | None:
        """Return one row, or None after complaints."""
        before = len(self.problems)
        entries = self.mapping(node, "a row", _ROW_KEYS, remedy={"conditions": _CONDITIONS})
        if entries is None:
            return None
        name = self.name(node, entries.get("name"))
        lost = self.lost(node, entries.get("when"))
        action = self.action(node, entries.get("action"))
        settle = self.settle(node, entries.get("settle"), action)
        why = self.why(node, entries.get("why"), action)
        if len(self.problems) > before:
            return None
        assert action is not None
        return Row(name=name, lost=lost, action=action, settle=settle, why=why, line=node.start_mark.line + 1)

    def name(self, row: yaml.Node, node: yaml.Node | None) -> str:
        rule = f"small letters, digits and '-', at most {MAX_NAME_LENGTH}, as in storage-lost"
        text = self.text(row, node, "name", rule)
        if text is not None and not is_name(text):
            self.complain(node, f"name {text[:60]!r} is not allowed; write {rule}")
        return text or ""

    def lost(self, row: yaml.Node, node: yaml.Node | None) -> frozenset[Network]:
        rule = "write when: {" + ", ".join(f"{n}: up" for n in Network) + "}, with down for what is lost"
        if node is None:
            self.complain(row, f"when is missing; {rule}")
            return frozenset()
        entries = self.mapping(node, "when", tuple(Network), what="network", remedy={})
        lost = set()
        for network in Network if entries is not None else ():
            assert entries is not None
            state = entries.get(network)
            if state is None:
                self.complain(node, f"when does not say whether {network} is up or down; name all networks")
            elif not isinstance(state, yaml.ScalarNode) or state.value not in _STATES:
                remedy = "write up or down"
                if isinstance(state, yaml.ScalarNode) and state.value == NetworkState.UNKNOWN:
                    remedy += "; unknown counts as up and has no rows of its own"
                self.complain(state, f"{network} is {_shown(state)}; {remedy}")
            elif state.value == NetworkState.DOWN:
                lost.add(network)
        return frozenset(lost)

    def action(self, row: yaml.Node, node: yaml.Node | None) -> Action | None:
        rule = f"one of {', '.join(Action)}"
        text = self.text(row, node, "action", rule)
        if text is None:
            return None
        if text not in list(Action):
            self.complain(node, f"unknown action {text[:60]!r}; write {rule}")
            return None
        return Action(text)

    def settle(self, row: yaml.Node, node: yaml.Node | None, action: Action | None) -> float:
        rule = f"a number of seconds from 0 to {MAX_SETTLE:g}, without a unit"
        if node is None:
            if action not in (None, Action.NONE):
                self.complain(row, f"settle is missing; write {rule}")
            return 0.0
        if not isinstance(node, yaml.ScalarNode) or node.tag not in (_INT, _FLOAT):
            self.complain(node, f"settle is {_shown(node)}; write {rule}")
            return 0.0
        try:
            seconds = float(node.value)
        except ValueError:  # YAML's other notations: 0x1f, 1:30, 1_000, .inf
            seconds = math.nan
        if not 0 <= seconds <= MAX_SETTLE:
            self.complain(node, f"settle is {_shown(node)}; write {rule}")
        return seconds

    def why(self, row: yaml.Node, node: yaml.Node | None, action: Action | None) -> str:
        rule = f"one sentence for whoever reads the incident, at most {MAX_WHY_LENGTH} characters"
        if node is None and action in (None, Action.NONE):
            return ""
        text = self.text(row, node, "why", rule)
        if text is not None and len(text) > MAX_WHY_LENGTH:
            self.complain(node, f"why is {len(text)} characters long; write {rule}")
        return text or ""

    def text(self, row: yaml.Node, node: yaml.Node | None, key: str, rule: str) -> str | None:
        """Return a non-empty string, or None after a complaint."""
        if node is None:
            self.complain(row, f"{key} is missing; write {rule}")
            return None
        if not isinstance(node, yaml.ScalarNode) or node.tag != _STR or not node.value.strip():
            self.complain(node, f"{key} is {_shown(node)}; write {rule}")
            return None
        return str(node.value).strip()

    def mapping(
        self, node: yaml.Node, place: str, known: tuple[str, ...], *, remedy: dict[str, str], what: str = "key"
    ) -> dict[str, yaml.Node] | None:
        """Return a mapping's values by key, after complaints about unknown and repeated keys; None if it is none."""
        if not isinstance(node, yaml.MappingNode):
            self.complain(node, f"{place} must hold keys ({', '.join(known)}), not {_kind(node)}")
            return None
        entries: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else _kind(key)
            if name in remedy:
                self.complain(key, f"{name}: {remedy[name]}")
            elif name not in known:
                self.complain(key, f"unknown {what} {name[:60]!r} in {place}; known are {', '.join(known)}")
            elif name in entries:
                self.complain(key, f"{name} appears twice in {place}; keep one")
            else:
                entries[name] = value
        return entries


def _is_deeper(text: str, limit: int) -> bool:
    """Whether lists and mappings in `text` are nested deeper than `limit`; reads no further than there."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > limit:
                return True
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return False


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, yaml.SequenceNode) else _shown(node)


def _shown(node: yaml.Node) -> str:
    """Return a value as it can stand in a message."""
    if not isinstance(node, yaml.ScalarNode):
        return _kind(node)
    return repr(node.value[:60]) if node.value.strip() else "empty"
