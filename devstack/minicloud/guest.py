"""An instance at work: writes its host's name and a counter to its disk, five times a second, as long as it lives.

Run as `python -m minicloud.guest DISK HOST` on the host, started by `hypervisor`. Without storage it stalls, as a
guest with a lost disk does, and goes on with the same record when the storage is back; so a guest that should have been
dead is seen on the disk. Each run has a random id, which the disk's records carry.
"""

import sys
import time
import uuid
from pathlib import Path

from minicloud import layout, storage

WRITE_INTERVAL = 0.2
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def write_forever(disk: str, host: str, address: tuple[str, int]) -> None:
    """Write records until the process is ended or the storage refuses (RefusedByStorage: the disk is gone)."""
    identity = {
        "op": "write",
        "disk": disk,
        "host": host,
        "boot_id": BOOT_ID.read_text(encoding="ascii").strip(),
        "run_id": uuid.uuid4().hex,
    }
    counter = 1
    connection: storage.Connection | None = None
    while True:
        try:
            connection = connection or storage.Connection(address, timeout=storage.WRITE_TIMEOUT)
            connection.request({**identity, "counter": counter})
        except storage.RefusedByStorage:
            raise
        except storage.StorageError:
            connection = None
        else:
            counter += 1
        time.sleep(WRITE_INTERVAL)


def main() -> None:
    """Be the instance that the command line names."""
    disk, host = sys.argv[1:]
    try:
        write_forever(disk, host, storage.address(layout.current()))
    except storage.RefusedByStorage as error:
        sys.exit(f"{disk}: {error}")


if __name__ == "__main__":
    main()
