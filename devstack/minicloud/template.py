"""The template: what the first bring-up took a minute to make, kept for the next ones.

It is a copy of `persistent` (databases, keys, Gnocchi's files, passwords) taken after the databases were synchronised
and the catalog was filled, with MariaDB stopped. Its name is a hash of everything it was made from, so that another
release of a service or another way of filling it makes a new one; older ones are removed then.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from minicloud import catalog, endpoints, infrastructure_configuration, passwords, synchronise
from minicloud.places import Places

_MADE_BY: Final = (catalog, endpoints, infrastructure_configuration, passwords, synchronise)


def key(places: Places) -> str:
    """Return the name of the template that fits this code and these releases."""
    digest = hashlib.sha256()
    for module in _MADE_BY:
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    definitions = places.project / "etc" / "ceilometer"
    for path in (
        Path(__file__).parent / "constraints.txt",
        definitions / "gnocchi_resources.yaml",
        definitions / "resource_type.json",
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def restore(places: Places) -> bool:
    """Copy the fitting template into the run; return whether there was one."""
    source = _directory(places)
    if not source.is_dir():
        return False
    scratch = places.persistent.with_name(".persistent")
    _copy(source, scratch)
    scratch.rename(places.persistent)
    places.complete.touch()
    return True


def save(places: Places) -> None:
    """Keep `persistent` as the template. MariaDB must be stopped. A half-written template is never seen."""
    target = _directory(places)
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.parent.chmod(0o700)
    _copy(places.persistent, scratch)
    for other in target.parent.iterdir():
        if other != scratch:
            shutil.rmtree(other)
    scratch.rename(target)


def _directory(places: Places) -> Path:
    return places.layout.directories.template / key(places)


def _copy(source: Path, target: Path) -> None:
    # cp keeps sparse files sparse and shares blocks where the file system can; shutil does neither.
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", f"{source}/.", f"{target}/"], check=True)
