"""ceilo-gossip keys: looks at, and changes, the keys of whole pools.

A key is read from standard input or from a file that only its owner can read, and never from the argument list. Where
a key must be told from others it is called by its fingerprint.
"""

import argparse
import base64
import binascii
import getpass
import hashlib
import os
import pathlib
import re
import secrets
import stat
import sys
from collections.abc import Mapping
from typing import Any, Final

from ceilo_gossip.cmd.cli import output
from ceilo_gossip.cmd.cli.usage import UsageError
from ceilo_gossip.control.client import Conversation
from ceilo_gossip.control.requests import FINGERPRINT_LENGTH

KEY_BYTES: Final = 32  # Of a key that we make: AES-256.
KEY_LENGTHS: Final = (16, 24, 32)
MAX_KEY_FILE_BYTES = 4096  # A key in base64 has 44.
_DONE: Final = {"install": "installed", "use": "used to encrypt", "remove": "removed"}
_NEXT: Final = {
    "install": "next: ceilo-gossip keys use {key}",
    "use": "next, once every host that is away is back: ceilo-gossip keys remove FINGERPRINT of the old key",
    "remove": "put the present keys into keyring_file on every host, for hosts that are installed anew",
}


def look(arguments: argparse.Namespace) -> int:
    """Show which keys the members have."""
    answer = _ask(arguments, {"operation": "list", "show_keys": arguments.show_keys})
    if arguments.format == "json":
        output.print_json(answer)
        return _exit_code(answer)
    headings = ["Network", "Key", "Encrypted with by", "Had by", "Missing at"]
    shown = output.table(*headings, *(["The key itself"] if arguments.show_keys else []))
    for network, found in answer["networks"].items():
        for key in found["keys"]:
            cells = [
                network,
                key["fingerprint"],
                f"{key['primary_of']} of {found['members']}",
                f"{key['members']} of {found['members']}",
                ", ".join(key["missing_at"]),
            ]
            output.add_row(shown, [*cells, key["key"]] if arguments.show_keys else cells)
    output.console().print(shown)
    _print_members(answer)
    return _exit_code(answer)


def install(arguments: argparse.Namespace) -> int:
    """Have every member accept one more key: one that is given, or one that is made here."""
    if not arguments.generate:
        if arguments.show_key:
            raise UsageError("--show-key prints the key that --generate makes; without it there is none to print")
        return change(arguments)
    if arguments.fingerprint is not None:
        raise UsageError("--generate makes a new key, which has no fingerprint yet; leave FINGERPRINT out")
    key = secrets.token_bytes(KEY_BYTES)
    if arguments.key_file is not None:
        _write_key(arguments.key_file, key)  # Before any member has it, or it might be nowhere else.
    answer = _ask(arguments, {"operation": "install", "key": _base64(key)})
    if arguments.format == "json":
        output.print_json({**answer, "key": _base64(key)} if arguments.show_key else answer)
        return _exit_code(answer)
    if arguments.show_key:
        print(_base64(key))
    _print_change(answer, _fingerprint(key))
    return _exit_code(answer)


def change(arguments: argparse.Namespace) -> int:
    """Have every member install, use or remove a key."""
    request: dict[str, Any] = {"operation": arguments.operation}
    if getattr(arguments, "force", False):
        request["force"] = True
    if arguments.fingerprint is not None:
        name = _checked(arguments.fingerprint)
        if arguments.key_file is not None:
            raise UsageError("give a FINGERPRINT or --key-file, not both")
        request["fingerprint"] = name
    else:
        key = _read_key(arguments.key_file)
        name = _fingerprint(key)
        request["key"] = _base64(key)
    answer = _ask(arguments, request)
    if arguments.format == "json":
        output.print_json(answer)
    else:
        _print_change(answer, name)
    return _exit_code(answer)


def _ask(arguments: argparse.Namespace, request: Mapping[str, Any]) -> dict[str, Any]:
    """No deadline of our own: the agent asks the members until a deadline that depends on the size of the pool."""
    asked = {**request, "networks": arguments.networks}
    with Conversation(arguments.socket, "keys", asked, timeout=None) as conversation:
        for _ in conversation:
            pass
        return conversation.answer


def _exit_code(answer: Mapping[str, Any]) -> int:
    return 0 if answer["has_succeeded"] else 1


def _print_change(answer: Mapping[str, Any], key: str) -> None:
    operation = answer["operation"]
    shown = output.table("Network", "Members", "Answered", "Key", "Result", right=("Members", "Answered"))
    for network, found in answer["networks"].items():
        result = output.text(f"{_DONE[operation]} by all", "green")
        if not found["has_succeeded"]:
            result = output.text("NOT done by all", "bold red")
        output.add_row(shown, [network, str(found["members"]), str(found["answered"]), key, result])
    output.console().print(shown)
    _print_members(answer)
    if answer["has_succeeded"]:
        output.complain(_NEXT[operation].format(key=key))
    else:
        output.complain(
            "do not take the next step; do this one again, which does no harm where it was done: "
            f"ceilo-gossip keys {operation} {key}"
        )


def _print_members(answer: Mapping[str, Any]) -> None:
    """What is worth knowing about single members."""
    console = output.console()
    for network, found in answer["networks"].items():
        for name in found["silent"]:
            console.print(output.text(f"{network}: {name} did not answer", "red"))
        for name, reason in found["errors"].items():
            console.print(output.text(f"{network}: {name}: {reason}", "red"))
        for name, remark in found["remarks"].items():
            console.print(output.text(f"{network}: {name} remarks: {remark}"))
        if found["away"]:
            names = ", ".join(found["away"])
            console.print(
                output.text(f"{network}: failed, so not asked, and with their old keys when they return: {names}")
            )


# Keys.


def _checked(given: str) -> str:
    """The fingerprint; whatever else was given is not repeated, because it may be a key."""
    if not re.fullmatch(f"[0-9a-fA-F]{{{FINGERPRINT_LENGTH}}}", given):
        raise UsageError(
            f"FINGERPRINT has {FINGERPRINT_LENGTH} hexadecimal digits, as `keys list` shows; a key itself is read from "
            "standard input or --key-file, because everybody on this host can read arguments"
        )
    return given.lower()


def _fingerprint(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:FINGERPRINT_LENGTH]


def _base64(key: bytes) -> str:
    return base64.b64encode(key).decode("ascii")


def _read_key(path: pathlib.Path | None) -> bytes:
    """The key from a file, or from whoever calls us."""
    if path is not None:
        return _decoded(_file_content(path), str(path))
    if sys.stdin.isatty():
        return _decoded(getpass.getpass("Key, in base64: "), "the key")
    return _decoded(sys.stdin.read(MAX_KEY_FILE_BYTES), "standard input")


def _file_content(path: pathlib.Path) -> str:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise UsageError(f"{path} has mode {mode:04o}, so others can get at the key; chmod 0600 it")
            return file.read(MAX_KEY_FILE_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _decoded(text: str, place: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) not in KEY_LENGTHS:
        raise UsageError(f"{place} holds no key: give 16, 24 or 32 random bytes in base64, and nothing else")
    return key


def _write_key(path: pathlib.Path, key: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - a descriptor is no path.
            file.write(_base64(key) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(f"{path} cannot be made: {error.strerror}; --generate makes a new file") from error
