"""The inventory of fencing methods: which BMC, or other means, switches which host off.

A YAML file, mode 0600 because it holds passwords or names the files that do:

    cmp-1:
      driver: ipmi
      address: 10.91.0.121
      user: fence
      password_file: /etc/ceilo-gossip/bmc-password

A host with several methods has a list of such mappings. This module checks the file and its shape; what a field means
is the driver's business (`FenceDriver.validate`). Every refusal names file, host, field and remedy, and quotes no
value: the value at fault may be a password.

A fault of one host's entry is kept and told when that host is asked for, so that it stops the fencing of no other. A
fault of the file as a whole ends the reading.
"""

import os
import re
import stat
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from ceilo_gossip.contract.errors import ContractError
from ceilo_gossip.contract.verdict import check_host
from remediation.fencing.driver import FenceTarget
from remediation.fencing.errors import InventoryError
from remediation.fencing.secret import Secret

MAX_FILE_BYTES: Final = 4 * 1024 * 1024  # 10,000 hosts with 400 bytes each; more is not an inventory.
MAX_SECRET_BYTES: Final = 4096
MAX_METHODS: Final = 8  # For one host; each costs a share of the ladder's deadline.
_FIELD_NAME: Final = re.compile("[a-z][a-z0-9_]{0,40}")
_SECRET_FIELD: Final = "password"  # noqa: S105  (the field's name)
_SECRET_FILE_FIELD: Final = "password_file"  # noqa: S105  (the field's name)


class Inventory:
    """The methods of each host, in the order of the file.

    file     where it was read from
    targets  host -> its methods
    faults   host -> why its entry cannot be used
    claims   the methods of all hosts without their secrets, those of hosts with a fault as far as they can be read:
             which devices the file says are whose
    """

    def __init__(
        self,
        file: str,
        targets: Mapping[str, tuple[FenceTarget, ...]],
        faults: Mapping[str, InventoryError] | None = None,
        claims: Sequence[FenceTarget] | None = None,
    ) -> None:
        self.file = file
        self._targets = dict(targets)
        self._faults = dict(faults or {})
        self.claims = tuple(one for each in targets.values() for one in each) if claims is None else tuple(claims)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that have a usable entry, in the order of the file, and then those whose entry has a fault."""
        return (*self._targets, *self._faults)

    def targets(self, host: str) -> tuple[FenceTarget, ...]:
        """Return the host's methods. Raises InventoryError when it has none, or an entry with a fault."""
        if host in self._faults:
            raise self._faults[host].with_traceback(None)
        if host not in self._targets:
            raise InventoryError(
                "the host has no fencing method",
                file=self.file,
                host=host,
                remedy=f"Add an entry for {host} (driver, address, user, password_file)",
            )
        return self._targets[host]

    def __repr__(self) -> str:
        return f"<Inventory of {len(self._targets)} hosts from {self.file}>"


def load_inventory(file: str) -> Inventory:
    """Read the inventory. Raises InventoryError, and nothing else, when it is at fault as a whole.

    The error names the place and the remedy. Faults of single hosts are raised by `Inventory.targets`.
    """
    try:
        document = yaml.load(_read_private(file, MAX_FILE_BYTES, file=file), Loader=_UniqueKeys)  # noqa: S506  (is safe)
    except yaml.MarkedYAMLError as error:
        # The mark's snippet would quote the line, and the problem's text a word of it, and with it a password.
        line = "" if error.problem_mark is None else f" in line {error.problem_mark.line + 1}"
        problem = "is not YAML: a key appears twice" if isinstance(error, _KeyTwice) else "is not YAML"
        remedy = "Correct that line; put passwords in quotes"
        raise InventoryError(f"{problem}{line}", file=file, remedy=remedy) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise InventoryError("is not YAML text in UTF-8", file=file, remedy="Save it as UTF-8 text") from None
    if not isinstance(document, dict) or not document:
        raise InventoryError(
            "holds no hosts", file=file, remedy="Write a mapping of host names to fencing methods, as in the sample"
        )
    targets: dict[str, tuple[FenceTarget, ...]] = {}
    faults: dict[str, InventoryError] = {}
    claims: list[FenceTarget] = []
    for host, entry in document.items():
        name = host if isinstance(host, str) else repr(host)[:60]
        claims += _claims(file, name, entry)
        try:
            targets[name] = _methods(file, host, entry)
        except InventoryError as error:
            faults[name] = error
    # 12 and "12" are two keys to YAML and one host to us.
    return Inventory(file, {host: found for host, found in targets.items() if host not in faults}, faults, claims)


def _claims(file: str, host: str, entry: object) -> list[FenceTarget]:
    """Return what can be read of a host's methods, however much of them is at fault, without the secrets."""
    found = []
    for one in entry if isinstance(entry, list) else [entry]:
        if isinstance(one, dict) and isinstance(one.get("driver"), str):
            options = {
                field: value
                for field, value in one.items()
                if field not in ("driver", _SECRET_FIELD, _SECRET_FILE_FIELD) and isinstance(value, str | int | float)
            }
            found.append(FenceTarget(host, one["driver"], options, file))
    return found


def _methods(file: str, host: object, entry: object) -> tuple[FenceTarget, ...]:
    if not isinstance(host, str):
        raise InventoryError("a host name is not text", file=file, host=repr(host)[:60], remedy="Write it in quotes")
    try:
        check_host("host", host)
    except ContractError as error:
        raise InventoryError(str(error), file=file, host=host[:60], remedy="Use Nova's name of the host") from error
    entries = entry if isinstance(entry, list) else [entry]
    if not 1 <= len(entries) <= MAX_METHODS:
        raise InventoryError(
            f"has {len(entries)} methods", file=file, host=host, remedy=f"Write 1 to {MAX_METHODS} methods"
        )
    return tuple(_target(file, host, one) for one in entries)


def _target(file: str, host: str, entry: object) -> FenceTarget:
    if not isinstance(entry, dict):
        raise InventoryError(
            "is not a mapping of fields", file=file, host=host, remedy="Write driver, address, user and password_file"
        )
    options: dict[str, str | int | float | Secret] = {}
    for field, value in entry.items():
        if not isinstance(field, str):
            raise InventoryError("a field's name is not text", file=file, host=host, remedy="Write it in quotes")
        if not _FIELD_NAME.fullmatch(field):
            # It may be a name and its value in one: {password:secret}.
            remedy = "Write 'name: value', with a space after the colon"
            raise InventoryError("a field's name is not one word", file=file, host=host, remedy=remedy)
        options[field] = _option(file, host, field, value)
    driver = options.pop("driver", None)
    if not isinstance(driver, str):
        raise InventoryError("is missing or no text", file=file, host=host, field="driver", remedy="Write driver: ipmi")
    secret_file = options.pop(_SECRET_FILE_FIELD, None)
    if secret_file is not None:
        if _SECRET_FIELD in options:
            raise InventoryError(
                "is there beside password", file=file, host=host, field=_SECRET_FILE_FIELD, remedy="Remove one of them"
            )
        options[_SECRET_FIELD] = _secret_from_file(file, host, secret_file)
    return FenceTarget(host=host, driver=driver, options=options, file=file)


def _option(file: str, host: str, field: str, value: object) -> str | int | float | Secret:
    if field == _SECRET_FIELD:
        if not isinstance(value, str):
            raise InventoryError(
                "is not text", file=file, host=host, field=field, remedy="Write the password in quotes"
            )
        return Secret(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InventoryError(
            "is neither text nor a number", file=file, host=host, field=field, remedy="Write one value, in quotes"
        )
    return value


def _secret_from_file(file: str, host: str, name: object) -> Secret:
    if not isinstance(name, str):
        raise InventoryError(
            "is not text", file=file, host=host, field=_SECRET_FILE_FIELD, remedy="Write the path in quotes"
        )
    path = str(Path(file).parent / name)  # A relative path is relative to the inventory.
    content = _read_private(path, MAX_SECRET_BYTES, file=file, host=host, field=_SECRET_FILE_FIELD)
    try:
        line = content.decode().split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        line = ""
    if not line:
        raise InventoryError(
            f"{path} has no password in its first line",
            file=file,
            host=host,
            field=_SECRET_FILE_FIELD,
            remedy="Write the password, in UTF-8, as its first line",
        )
    return Secret(line)


def _read_private(path: str, limit: int, *, file: str, host: str = "", field: str = "") -> bytes:
    """Return the content of a regular file that nobody but its owner may read; `file`, `host`, `field` blame."""

    def refuse(problem: str, remedy: str) -> InventoryError:
        return InventoryError(problem, file=file, host=host, field=field, remedy=remedy)

    try:
        # The mode is that of the very file we read: looked at through the descriptor, so nobody can swap it between.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise refuse(f"{path} is not a regular file", "Name a file")
            if stat.S_IMODE(mode) & 0o077:
                raise refuse(
                    f"{path} has mode {stat.S_IMODE(mode):04o}, so that others may use its passwords",
                    f"Run: chmod 600 {path}",
                )
            content = stream.read(limit + 1)
    except IsADirectoryError:
        raise refuse(f"{path} is not a regular file", "Name a file") from None
    except OSError as error:
        raise refuse(f"cannot read {path}: {error.strerror}", "Make the file, or correct the path") from error
    if len(content) > limit:
        raise refuse(f"{path} is larger than {limit} bytes", "Name the right file")
    return content


class _KeyTwice(yaml.constructor.ConstructorError):
    """A key appears twice in a mapping; the one fault whose kind can be told without quoting."""


class _UniqueKeys(yaml.SafeLoader):
    """A safe loader that refuses a key that appears twice: YAML would take the last one and say nothing."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError:
            # A value that looks like a date or a number and is none (2024-99-99), which PyYAML lets through.
            raise yaml.constructor.ConstructorError(None, None, "is no value", node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _KeyTwice(None, None, "a key appears twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)
