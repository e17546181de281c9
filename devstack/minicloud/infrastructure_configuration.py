"""What MariaDB and RabbitMQ read: their users, with the passwords drawn for this cloud."""

import base64
import hashlib
import json
import secrets
from typing import Final

from minicloud import endpoints
from minicloud.passwords import Passwords, write_private
from minicloud.places import Places

# Which databases Nova's user owns; `map_cell0` derives its name from that of cell1, "nova". The others
# own one of their own name.
_NOVA: Final = ("nova_api", "nova", "nova_cell0")


def render_infrastructure(places: Places, passwords: Passwords) -> None:
    """Write the files of MariaDB and RabbitMQ, and make the directories they expect."""
    write_private(places.etc / "mariadb" / "users.sql", _users(passwords))
    etc = places.etc / "rabbitmq"
    definitions = etc / "definitions.json"
    write_private(definitions, json.dumps(_definitions(passwords), indent=1))
    write_private(
        etc / "rabbitmq.conf",
        f"listeners.tcp.1 = {endpoints.ADDRESS}:{endpoints.RABBIT_PORT}\n"
        f"load_definitions = {definitions}\n"
        "log.file = rabbitmq.log\n"
        "log.file.level = warning\n"
        "log.console = false\n"
        "disk_free_limit.absolute = 50MB\n"
        "collect_statistics_interval = 60000\n",
    )
    write_private(etc / "advanced.config", "[].\n")
    write_private(etc / "enabled_plugins", "[].\n")
    for directory in (places.state / "rabbitmq" / "mnesia", places.state / "home", places.log):
        directory.mkdir(parents=True, exist_ok=True)


def _users(passwords: Passwords) -> str:
    """Return MariaDB's statements, one a line as --init-file wants it; they run at each start and change nothing twice.

    Passwords are of URL-safe characters, so no quoting is needed.
    """
    lines = []
    for service, password in passwords.databases.items():
        lines.append(f"CREATE USER IF NOT EXISTS '{service}'@'%' IDENTIFIED BY '{password}';")
        for database in _NOVA if service == "nova" else (service,):
            lines.append(f"CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4;")
            lines.append(f"GRANT ALL ON {database}.* TO '{service}'@'%';")
    return "\n".join(lines) + "\n"


def _definitions(passwords: Passwords) -> dict[str, object]:
    salt = secrets.token_bytes(4)  # RabbitMQ's own format: salt, then SHA-256 of salt and password.
    digest = hashlib.sha256(salt + passwords.rabbit.encode()).digest()
    user = {
        "name": "minicloud",
        "password_hash": base64.b64encode(salt + digest).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "administrator",
    }
    permission = {"user": "minicloud", "vhost": endpoints.VIRTUAL_HOST}
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return {
        "users": [user],
        "vhosts": [{"name": endpoints.VIRTUAL_HOST}],
        "permissions": [{**permission, **everything}],
    }
