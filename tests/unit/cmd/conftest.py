"""A served fake agent for the tests of the operator's command."""

import pathlib
from collections.abc import Iterator

import pytest

from tests.support.served_agent import Served, served_agent


@pytest.fixture
def served(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Served]:
    with served_agent(tmp_path / "control.sock", capsys) as found:
        yield found
