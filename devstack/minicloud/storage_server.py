"""The shared storage: keeps instances' disks, one append-only file of records each, and says when each arrived.

Run as `python -m minicloud.storage_server` in the storage server's namespace, where it listens on the storage network
(protocol: `storage`). It lets anybody write to any disk, as shared storage does: whether two hosts wrote to one disk is
for `disk_checker` to find. A record is a JSON line {host, boot_id, run_id, counter, wall, monotonic}, the last two
being the arrival in seconds. A deleted disk is kept under a name of its own, so that its history can still be checked.
"""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minicloud import kernel, layout, storage

# Guests write five times a second; a connection as quiet as this has nobody at its other end.
IDLE_TIMEOUT = 30.0
DISK_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
DELETED = ".deleted-"


class Disks:
    """The disks in one directory. Refuses with ValueError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def serve(self, request: Mapping[str, Any], *, wall: float, monotonic: float) -> dict[str, Any]:
        """Carry out a request that arrived at these instants."""
        path = self._path(str(request["disk"]))
        match request["op"]:
            case "exists":
                return {"exists": path.exists()}
            case "create":
                path.touch(mode=0o644)
            case "delete":
                self._delete(path)
            case "write":
                record = {
                    "host": str(request["host"]),
                    "boot_id": str(request["boot_id"]),
                    "run_id": str(request["run_id"]),
                    "counter": int(request["counter"]),
                    "wall": wall,
                    "monotonic": monotonic,
                }
                self._append(path, record)
            case unknown:
                raise ValueError(f"the storage knows no operation {unknown!r}")
        return {}

    def _path(self, disk: str) -> Path:
        if not DISK_NAME.fullmatch(disk):
            raise ValueError(f"{disk!r} is no name for a disk")
        return self._directory / disk

    def _append(self, path: Path, record: Mapping[str, object]) -> None:
        try:
            # r+ and not a: writing must not make a disk that was deleted.
            with path.open("r+b") as file:
                file.seek(0, 2)
                file.write(json.dumps(record).encode() + b"\n")
        except FileNotFoundError:
            raise ValueError(f"there is no disk {path.name}") from None

    def _delete(self, path: Path) -> None:
        number = len(list(self._directory.glob(f"{path.name}{DELETED}*"))) + 1
        with contextlib.suppress(FileNotFoundError):
            path.rename(path.with_name(f"{path.name}{DELETED}{number}"))


async def _serve_connection(disks: Disks, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # However a client goes away, it is its own affair.
    with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
        while line := await asyncio.wait_for(reader.readuntil(b"\n"), IDLE_TIMEOUT):
            wall, monotonic = time.time(), time.monotonic()
            try:
                answer = {"ok": True, **disks.serve(json.loads(line), wall=wall, monotonic=monotonic)}
            except (ValueError, KeyError, TypeError) as error:
                answer = {"ok": False, "error": str(error)}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
    writer.transport.abort()


async def _run(cloud: layout.Layout) -> None:
    disks = Disks(cloud.directories.disks)
    host, port = storage.address(cloud)
    server = await asyncio.start_server(
        lambda reader, writer: _serve_connection(disks, reader, writer), host, port, limit=storage.MAX_LINE_BYTES
    )
    async with server:
        await server.serve_forever()


def main() -> None:
    """Be the storage server of the cloud that the environment names."""
    cloud = layout.current()
    kernel.enter_network_namespace(cloud.nas.namespace)
    asyncio.run(_run(cloud))


if __name__ == "__main__":
    main()
