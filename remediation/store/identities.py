"""Which machine each host's fencing device said it belongs to while the host was well (see `fencing.identity`).

The first that was learned stays: nothing here changes or removes a row.
"""

import sqlalchemy as sa
from oslo_db import exception as db_exception

from remediation.store import connect
from remediation.store.schema import IDENTITY


class StoredIdentities:
    """The table of learned identities. Safe to use from several threads and processes."""

    def __init__(self, engine: sa.Engine) -> None:
        self._reader = engine
        self._writer = connect.writer_of(engine)

    def read_identities(self) -> list[tuple[str, str, str, str]]:
        """Return (host, driver, device, GUID) of all that was learned. Raises oslo.db's DBError."""
        columns = (IDENTITY.c.host, IDENTITY.c.driver, IDENTITY.c.device, IDENTITY.c.guid)
        with self._reader.connect() as connection:
            return [
                (host, driver, device, guid) for host, driver, device, guid in connection.execute(sa.select(*columns))
            ]

    def keep_identity(self, host: str, driver: str, device: str, guid: str) -> None:
        """Keep a GUID unless there is one for that host, driver and device. Raises oslo.db's DBError."""
        row = {"host": host, "driver": driver, "device": device, "guid": guid}
        try:
            with self._writer.begin() as connection:
                connection.execute(sa.insert(IDENTITY).values(row))
        except db_exception.DBDuplicateEntry:
            return  # The first one stays, ours or another engine's.
