"""Starting a Python module of this package as a daemon in a control group of its own.

A daemon has its own session, is nobody's child, and is in a group named after it, by which it is found and ended: a
group holds exactly what was started in it, where a process number in a file may be another's by now.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from minicloud import layout
from minicloud.control_group import ControlGroup

PACKAGE_PARENT = Path(__file__).resolve().parent.parent
# To end a process that is killed takes milliseconds.
KILL_TIMEOUT = 10.0


def python_command(module: str, *arguments: str, site: bool = False) -> list[str]:
    """Return the command that runs a module of this package.

    Without `site` the interpreter sees only the standard library, which halves its start and its memory.
    """
    return [sys.executable, *([] if site else ["-S"]), "-m", module, *arguments]


def environment(cloud: layout.Layout) -> dict[str, str]:
    """Return the variables that a module of this package needs."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": os.environ.get("HOME", "/root"),
        "PYTHONPATH": str(PACKAGE_PARENT),
        "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", ""),
        "MINICLOUD_HOME": str(cloud.directories.home),
        "MINICLOUD_PREFIX": cloud.prefix,
    }


def start(cloud: layout.Layout, group_name: str, command: Sequence[str]) -> None:
    """Start the command in the control group; nothing happens if the group is populated already.

    Output goes to `run/log/<group>.log`.
    """
    group = ControlGroup.named(group_name)
    group.create()
    if group.is_populated():
        return
    cloud.directories.log.mkdir(parents=True, exist_ok=True)
    setsid = shutil.which("setsid")
    assert setsid is not None, "setsid of util-linux is missing"
    with (cloud.directories.log / f"{group_name}.log").open("ab") as log:
        subprocess.run(
            [setsid, "--fork", *command],
            env=environment(cloud),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=True,
            preexec_fn=group.join,
        )


def stop(group_name: str) -> None:
    """End everything in the control group at once and remove it; nothing happens if there is none."""
    ControlGroup.named(group_name).remove(timeout=KILL_TIMEOUT)
