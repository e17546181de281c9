"""Brings the incident database to the schema of this release."""

import pathlib
from typing import Final

import sqlalchemy as sa
from alembic import command, config, migration, script

from remediation.store import connect
from remediation.store.errors import SchemaMismatch

_SCRIPTS: Final = pathlib.Path(__file__).with_name("migrations")


def upgrade(url: str) -> None:
    """Create or upgrade the tables at `url`; a database that is at this release's revision is left as it is.

    Raises oslo.db's DBError when the database cannot be reached.
    """
    engine = connect.open_engine(url)
    try:
        with connect.writer_of(engine).begin() as connection:
            settings = _settings()
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
    finally:
        engine.dispose()


def check(engine: sa.Engine) -> None:
    """Raise SchemaMismatch unless the tables are at the revision that this release needs."""
    needed = script.ScriptDirectory.from_config(_settings()).get_current_head()
    with engine.connect() as connection:
        found = migration.MigrationContext.configure(connection).get_current_revision()
    if found != needed:
        raise SchemaMismatch(found or "none", needed or "none")


def _settings() -> config.Config:
    settings = config.Config()
    settings.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    return settings
