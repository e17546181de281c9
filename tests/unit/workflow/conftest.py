"""A fresh world for each test; its database is copied from one that was migrated once."""

from pathlib import Path

import pytest

from remediation.store import migrate
from tests.support.world import World


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "incidents.sqlite"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def world(tmp_path: Path, template: Path) -> World:
    return World(tmp_path, template=template)
