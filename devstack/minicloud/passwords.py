"""The minicloud's secrets: drawn once for a template, kept with it, readable by root only.

They never appear in argument lists, logs or reprs: services read them from configuration files of mode 0600.
"""

import dataclasses
import json
import os
import secrets
from pathlib import Path
from typing import Final, Self

from minicloud import endpoints

DATABASES: Final = ("keystone", "placement", "glance", "nova", "neutron", "gnocchi", "aodh", "remediation")
ADMIN: Final = "admin"
DEMO: Final = "demo"
_BYTES: Final = 18  # 144 random bits, 24 characters that are safe in a URL and in an ini file.


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Passwords:
    """Who needs which password. Nothing of it is shown by `repr`.

    users      Keystone users: admin, demo and the service users
    databases  MariaDB users, one for each service, named as in `DATABASES`
    rabbit     RabbitMQ's user `minicloud`
    webhook    what Aodh shows to the remediator's webhook
    """

    users: dict[str, str]
    databases: dict[str, str]
    rabbit: str
    webhook: str

    @classmethod
    def draw(cls) -> Self:
        """Return fresh random passwords."""
        return cls(
            users={name: secrets.token_urlsafe(_BYTES) for name in (ADMIN, DEMO, *endpoints.SERVICE_USERS)},
            databases={name: secrets.token_urlsafe(_BYTES) for name in DATABASES},
            rabbit=secrets.token_urlsafe(_BYTES),
            webhook=secrets.token_urlsafe(_BYTES),
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `store` wrote. Raises OSError if there is no such file."""
        return cls(**json.loads(path.read_text()))

    def store(self, path: Path) -> None:
        """Write them to `path`, readable by its owner only."""
        write_private(path, json.dumps(dataclasses.asdict(self), indent=1))

    def database_url(self, service: str, database: str | None = None) -> str:
        """Return SQLAlchemy's URL of `database` (default: the service's own name) for the service's user."""
        host = f"{endpoints.ADDRESS}:{endpoints.MARIADB_PORT}"
        return f"mysql+pymysql://{service}:{self.databases[service]}@{host}/{database or service}?charset=utf8mb4"

    @property
    def transport_url(self) -> str:
        """RabbitMQ's URL as oslo.messaging reads it."""
        return f"rabbit://minicloud:{self.rabbit}@{endpoints.ADDRESS}:{endpoints.RABBIT_PORT}/{endpoints.VIRTUAL_HOST}"


def write_private(path: Path, text: str) -> None:
    """Replace `path` by a file of mode 0600 with `text`; nobody else can read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    scratch.replace(path)
