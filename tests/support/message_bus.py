"""A RabbitMQ of one's own, in a network namespace, for agents that are to have a real message bus.

It runs in a namespace of processes too, whose first process the kernel ends with us: Erlang starts helpers that
would outlive it otherwise.
"""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from minicloud import kernel
from tests.support.private_networks import Namespace

PORT = 5672
START_LIMIT = 120.0  # Seconds; it takes five on an idle core.
POLL_INTERVAL = 0.2
_PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"


@contextlib.contextmanager
def message_bus(space: Namespace, address: str, directory: Path) -> Iterator[str]:
    """Lend a broker at `address` in `space`; yield its URL for oslo.messaging once it accepts connections.

    Anybody in the namespace is let in as "guest": nobody else is there.
    """
    directory.mkdir(parents=True)
    configuration = directory / "rabbitmq.conf"
    configuration.write_text(
        f"listeners.tcp.1 = {address}:{PORT}\n"
        "loopback_users = none\n"
        "log.file = rabbitmq.log\n"
        "log.console = false\n"
        "disk_free_limit.absolute = 50MB\n"
        "collect_statistics_interval = 60000\n",
        "utf-8",
    )
    for name, text in (("advanced.config", "[].\n"), ("enabled_plugins", "[].\n")):
        (directory / name).write_text(text, "utf-8")
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(directory),  # Where Erlang keeps its cookie.
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "bus@localhost",
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory),
        "RABBITMQ_PID_FILE": str(directory / "pid"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(configuration),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        # One scheduler that sleeps when it has nothing to do, so that an idle broker does not disturb what is measured.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none +S 1:1",
    }

    def prepare() -> None:
        kernel.die_with_parent(signal.SIGKILL)
        space.enter()

    with (directory / "output.log").open("ab") as log:
        process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", _PROGRAM],
            env=environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=prepare,
        )
    try:
        _wait(space, address, process, directory)
        yield f"rabbit://guest:guest@{address}:{PORT}/"
    finally:
        process.kill()
        process.wait()


def _wait(space: Namespace, address: str, process: subprocess.Popen[bytes], directory: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        with space.entered(), contextlib.suppress(OSError):
            socket.create_connection((address, PORT), timeout=1.0).close()
            return
        logs = directory / "output.log"
        assert process.poll() is None, f"RabbitMQ ended: {logs.read_text('utf-8', 'replace')}"
        assert time.monotonic() < deadline, f"RabbitMQ does not listen after {START_LIMIT} s; see {directory}"
        time.sleep(POLL_INTERVAL)
