"""Facts by which a service is known to be ready, and waiting for them until a deadline.

An open port is not readiness: uwsgi listens before its application is loaded. So each fact is an answer that only the
working service can give. All of them must be asked from inside ctl-1's network (see `kernel.enter_network_namespace`).
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import amqp
import pymysql
import requests
from keystoneauth1 import exceptions as keystone_errors
from novaclient import exceptions as nova_errors

from ceilo_gossip.control.client import ControlError
from minicloud import endpoints
from minicloud.passwords import Passwords

POLL_INTERVAL: Final = 0.2  # Seconds between two looks at a fact; costs under a percent of a core.
ANSWER_TIMEOUT: Final = 10.0  # A service that is just loading on a busy machine answers late, but it answers.

# What the libraries raise while a service is not there yet, or no more.
NOT_YET: Final = (
    OSError,
    amqp.exceptions.AMQPError,
    pymysql.err.MySQLError,
    keystone_errors.ClientException,
    nova_errors.ClientException,
    ControlError,
)


class NotReadyError(Exception):
    """A fact did not come true in time. `what` names it; `last` is what was seen instead."""

    def __init__(self, what: str, timeout: float, last: object) -> None:
        super().__init__(f"{what}: not so after {timeout:.0f} s (last: {last})")
        self.what = what
        self.last = last


def wait_for(what: str, fact: Callable[[], object], *, timeout: float, interval: float = POLL_INTERVAL) -> Any:
    """Look at `fact` until it is true; return what it returned. Raises NotReadyError after `timeout` seconds.

    `interval` is the pause between two looks, in seconds.
    What the libraries raise while a service is coming up counts as "not yet".
    """
    deadline = time.monotonic() + timeout
    last: object = "nothing"
    while True:
        try:
            found = fact()
            if found:
                return found
            last = found
        except NOT_YET as error:
            last = error
        if time.monotonic() >= deadline:
            raise NotReadyError(what, timeout, last)
        time.sleep(interval)


def database_answers(passwords: Passwords) -> bool:
    """Whether the last of the users and databases that MariaDB is told to make at its start is there."""
    user = list(passwords.databases)[-1]
    connection = pymysql.connect(
        host=endpoints.ADDRESS,
        port=endpoints.MARIADB_PORT,
        user=user,
        password=passwords.databases[user],
        database=user,
        connect_timeout=2,
    )
    connection.close()
    return True


def message_bus_answers(passwords: Passwords) -> bool:
    """Whether RabbitMQ lets our user into our virtual host."""
    with _bus(passwords):
        return True


def unconsumed(passwords: Passwords, queues: tuple[str, ...]) -> list[str]:
    """Return those of `queues` that do not exist or that nobody reads."""
    missing = []
    for queue in queues:
        # A passive declaration of a missing queue closes the channel, hence one for each.
        with _bus(passwords) as connection:
            try:
                declared = connection.channel().queue_declare(queue, passive=True)
            except amqp.exceptions.NotFound:
                missing.append(queue)
                continue
            if declared.consumer_count == 0:
                missing.append(queue)
    return missing


def _bus(passwords: Passwords) -> Any:
    connection = amqp.Connection(
        host=f"{endpoints.ADDRESS}:{endpoints.RABBIT_PORT}",
        userid="minicloud",
        password=passwords.rabbit,
        virtual_host=endpoints.VIRTUAL_HOST,
        connect_timeout=2,
    )
    connection.connect()
    return connection


def answers(url: str, *, certificate: Path | None = None) -> bool:
    """Whether an HTTP service answers with anything but a fault of its own; `certificate` is the one it must show."""
    verify = True if certificate is None else str(certificate)
    return requests.get(url, timeout=ANSWER_TIMEOUT, verify=verify).status_code < 500
