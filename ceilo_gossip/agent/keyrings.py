"""Each pool's keyring as it is at run time, kept on disk, so that a rotation of keys survives a restart.

A rotation may be half done in one pool only, so each pool has a file of its own. It holds, beside the keys, a
fingerprint of the configured keys from which it began: as long as the configured `keyring_file` holds the same keys,
the stored ones are newer and are used; when an operator has replaced that file, the file is what he wants.

A file is written whole or not at all, for its owner only, and is on the disk when `write_keyring` returns: a member
answers "done" to a change of keys only afterwards.
"""

import asyncio
import base64
import binascii
import hashlib
import json
import os
import pathlib
import stat
from collections.abc import Callable

from oslo_log import log

from ceilo_gossip.agent.files import replace_file
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.requests import FINGERPRINT_LENGTH
from ceilo_gossip.serf.events import KeyringChanging
from ceilo_gossip.wire.keyring import Keyring, KeyringError

LOG = log.getLogger(__name__)

MAX_FILE_BYTES = 65536  # Sixteen keys have under a kilobyte.


def fingerprint(key: bytes) -> str:
    """What a key is called where the key itself must not stand. A random key cannot be guessed from its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:FINGERPRINT_LENGTH]


def fingerprints(keyring: Keyring | None) -> list[str]:
    """What the keys of a keyring are called, primary first; none without encryption."""
    return [] if keyring is None else [fingerprint(base64.b64decode(key)) for key in keyring.to_base64()]


def fingerprint_of_text(key: str) -> str:
    """The same for a key in base64 as a peer tells it, which may be anything."""
    try:
        return fingerprint(base64.b64decode(key, validate=True))
    except (ValueError, binascii.Error):
        return "no key"


def keyring_path(state_dir: pathlib.Path, network: Network) -> pathlib.Path:
    """Where the keyring of a pool is stored."""
    return state_dir / "keyrings" / f"{network}.json"


def read_keyring(path: pathlib.Path, configured: Keyring, *, network: Network) -> Keyring:
    """Return the keyring to start with: the stored one, unless there is none or other keys were configured since."""
    try:
        keyring, origin = _read(path)
    except FileNotFoundError:
        return configured
    except (OSError, ValueError, TypeError, KeyError) as error:
        LOG.error(
            "%s is not used, the configured keys are: %s. If the pool's keys were changed since, this host is cut off "
            "from it; put the present keys into keyring_file",
            path,
            error if isinstance(error, OSError | KeyringError) else "it is damaged",
        )
        return configured
    if origin != _origin(configured):
        LOG.warning(
            "keyring_file holds other keys than before, so its keys are used on %s, and no longer those in %s",
            network,
            path,
        )
        path.unlink()  # Or they would be back when the former file is.
        return configured
    if keyring != configured:
        LOG.info("The keys in %s are used on %s: they were changed since keyring_file was written", path, network)
    return keyring


class KeyringKeeper:
    """Stores one pool's changed keyrings, one after the other, in a thread, since a disk may hang.

    stored, refused: the pool's own, called in the event loop.
    """

    def __init__(
        self,
        path: pathlib.Path,
        configured: Keyring,
        *,
        network: Network,
        stored: Callable[[KeyringChanging], None],
        refused: Callable[[KeyringChanging, str], None],
    ) -> None:
        self._path = path
        self._configured = configured
        self._network = network
        self._stored = stored
        self._refused = refused
        self._task: asyncio.Task[None] | None = None

    def keep(self, change: KeyringChanging) -> asyncio.Task[None]:
        """Store what a change wants. A pool wants one change at a time."""
        assert self._task is None or self._task.done(), "the pool wants a second change before it was told of the first"
        self._task = asyncio.get_running_loop().create_task(self._keep(change))
        return self._task

    async def _keep(self, change: KeyringChanging) -> None:
        try:
            await asyncio.to_thread(write_keyring, self._path, change.keyring, self._configured)
        except OSError as error:
            LOG.error("%s cannot be written, so the keys are not changed: %s", self._path, error)
            self._refused(change, "this member cannot store its keyring; look at its log")
            return
        LOG.info(
            "The keys on %s are now %s: %s, by %s",
            self._network,
            ", ".join(fingerprints(change.keyring)),
            change.query.name.removeprefix("_serf_"),
            change.query.source,
        )
        self._stored(change)


def write_keyring(path: pathlib.Path, keyring: Keyring, configured: Keyring) -> None:
    """Replace the file at `path`, durably; OSError if that fails, and then the old one is still there."""
    content = {"configured": _origin(configured), "keys": json.loads(keyring.to_json())}
    replace_file(path, json.dumps(content))


def _read(path: pathlib.Path) -> tuple[Keyring, str]:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            LOG.warning("%s had mode %04o, so others could read the keys; closing it. Consider new keys", path, mode)
            os.fchmod(file.fileno(), 0o600)
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError("too large")
    entry = json.loads(content)
    return Keyring.from_json(json.dumps(entry["keys"])), str(entry["configured"])


def _origin(configured: Keyring) -> str:
    """What identifies the configured keys and their order, and not how their file is spaced."""
    return hashlib.sha256(configured.to_json().encode("ascii")).hexdigest()
