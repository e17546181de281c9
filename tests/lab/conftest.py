"""The lab tier's fixtures."""

from collections.abc import Iterator

import pytest

from minicloud import layout
from tests.support import host_lab


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[layout.Layout]:
    """The metal of a pocket cloud, every host on, for all tests of a module."""
    with host_lab.built(tmp_path_factory.mktemp("lab")) as cloud:
        yield cloud


@pytest.fixture
def compute_host(hosts: layout.Layout) -> Iterator[str]:
    """A compute host of the lab for one test, given back healed."""
    with host_lab.borrowed(hosts, "cmp-1") as name:
        yield name


@pytest.fixture
def other_host(hosts: layout.Layout) -> Iterator[str]:
    """A second one."""
    with host_lab.borrowed(hosts, "cmp-2") as name:
        yield name
