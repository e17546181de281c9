"""Reads the gossip keys from their file, refusing one that others can read."""

import pathlib
import stat

from ceilo_gossip.conf.errors import ConfError
from ceilo_gossip.wire.keyring import Keyring, KeyringError

MAX_KEYRING_BYTES = 65536  # A keyring of sixteen keys has under a kilobyte.
_FORBIDDEN = stat.S_IRWXO | stat.S_IWGRP  # The agent's group may read it, as OpenStack's own secrets.


def read_keyring(path: pathlib.Path) -> Keyring:
    """Return the keyring in the file at `path`; ConfError names what is wrong with it, never its content."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & _FORBIDDEN:
                raise _error(
                    f"{path} has mode {mode:04o}, so others than its owner and group get at it", "chmod 0600 it"
                )
            content = file.read(MAX_KEYRING_BYTES + 1)
    except OSError as error:
        raise _error(f"{path} cannot be read ({error.strerror})", "create it, or name another file") from error
    if len(content) > MAX_KEYRING_BYTES:
        raise _error(f"{path} is larger than {MAX_KEYRING_BYTES} bytes", "name the file with the keys")
    try:
        return Keyring.from_json(content.decode("utf-8"))
    except (KeyringError, UnicodeDecodeError) as error:
        problem = str(error) if isinstance(error, KeyringError) else "it is not text"
        raise _error(f"{path}: {problem}", 'it must be like ["<base64 of 32 random bytes>"]') from error


def _error(problem: str, remedy: str) -> ConfError:
    return ConfError("gossip", "keyring_file", problem, remedy)
