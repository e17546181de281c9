"""Files that the agent keeps for itself: for its owner only, replaced whole or not at all, and durable once it is said.

Called in a thread, since a disk may hang.
"""

import os
import pathlib


def replace_file(path: pathlib.Path, content: str) -> None:
    """Put a file with this content at `path`, durably; OSError if that fails, and then the old one is still there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor is no path.
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
