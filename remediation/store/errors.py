"""What can go wrong with the database of incidents.

StoreError           anything
+-- NoSuchIncident   nothing has that id
+-- LeaseLost        another engine carries the incident now; this one must stop acting on it
+-- SchemaMismatch   the database was not upgraded, or by a newer release
"""


class StoreError(Exception):
    """The database of incidents refused; the text says what to do."""


class NoSuchIncident(StoreError):
    """There is no incident `incident_id`."""

    def __init__(self, incident_id: str) -> None:
        super().__init__(f"there is no incident {incident_id[:60]!r}; see the list of incidents")
        self.incident_id = incident_id


class LeaseLost(StoreError):
    """`owner` no longer carries `incident_id`."""

    def __init__(self, incident_id: str, owner: str) -> None:
        super().__init__(f"incident {incident_id} is no longer carried by {owner}")
        self.incident_id = incident_id
        self.owner = owner


class SchemaMismatch(StoreError):
    """The tables are at revision `found` and this release needs `needed`."""

    def __init__(self, found: str, needed: str) -> None:
        super().__init__(
            f"the database of incidents is at revision {found!r}, this release needs {needed!r}; run the upgrade"
        )
        self.found = found
        self.needed = needed
