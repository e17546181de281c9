"""What must be true of the files under version control, whatever is in them."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A developer's directories. Runtime paths of the product (/var/lib, /etc, /run, /tmp) are nobody's home.
HOME_OF_A_DEVELOPER = re.compile(r"(?:^|[^A-Za-z0-9_.$}{-])/(?:work|farm|home|root|Users|tmp/(?:probe|brief))/")
MAX_PYTHON_LINES = 500
# Path -> why it is still one idea.
LONG_ON_PURPOSE: dict[str, str] = {}
MUST_RUN = (".ci/run", "tests/run.sh", "devstack/minicloud.sh")


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


TRACKED = _tracked()


def test_files_are_listed_at_all() -> None:
    assert "tests/lint/test_tree.py" in TRACKED


@pytest.mark.parametrize("directory", ["work", "home", "root", "tmp/probe"])
@pytest.mark.parametrize("before", ["cd ", '"', "HOME=", ""])
def test_pattern_finds_a_developers_path(before: str, directory: str) -> None:
    assert HOME_OF_A_DEVELOPER.search(f"{before}/{directory}/jo")


@pytest.mark.parametrize(
    "line", ["cd $top/work/", "$HOME/work/x", "/var/lib/x", "frame/work/x", "/run/x", "${D}/root/x"]
)
def test_pattern_lets_other_paths_be(line: str) -> None:
    assert not HOME_OF_A_DEVELOPER.search(line)


def test_no_file_names_a_path_of_a_developers_machine() -> None:
    found = []
    for name in TRACKED:
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # An image or an archive names no path that anybody would run.
        found += [f"{name}:{n}" for n, line in enumerate(text.splitlines(), 1) if HOME_OF_A_DEVELOPER.search(line)]
    assert found == []


def test_no_python_file_is_longer_than_one_idea() -> None:
    lines = {name: len((ROOT / name).read_bytes().splitlines()) for name in TRACKED if name.endswith(".py")}
    long = {name: count for name, count in lines.items() if count > MAX_PYTHON_LINES}
    assert {name: count for name, count in long.items() if name not in LONG_ON_PURPOSE} == {}
    assert set(LONG_ON_PURPOSE) <= set(long), "a file listed here is short now: take it off the list"


@pytest.mark.parametrize("name", MUST_RUN)
def test_command_of_the_project_is_there_and_can_be_run(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
