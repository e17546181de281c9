"""remediation-api: the webhook, as a process.

SIGHUP reads the matrix again; SIGTERM and SIGINT end the process after the calls under way. Exit codes: 0 ended by a
signal, 1 could not start or go on, 2 the configuration or the matrix is refused.
"""

import datetime
import signal
import sys
from collections.abc import Sequence
from typing import Final

from oslo_db import exception as db_exception
from oslo_log import log

from remediation.alarms.destination import redact
from remediation.conf import load, source
from remediation.conf.errors import ConfigError
from remediation.conf.settings import ApiConfiguration, WebhookSettings
from remediation.matrix.errors import MatrixError
from remediation.store.errors import StoreError
from remediation.store.store import Store
from remediation.webhook.app import make_app
from remediation.webhook.credentials import Credentials
from remediation.webhook.current import CurrentMatrix
from remediation.webhook.server import WebhookServer

LOG = log.getLogger(__name__)
PROG: Final = "remediation-api"
_SIGNALS: Final = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
ALIVE_INTERVAL: Final = 1.0  # Seconds between two looks whether the server still serves, while no signal comes.


class StartError(Exception):
    """The process cannot start; the text says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal ends the process; return its exit code."""
    try:
        conf = source.parse(sys.argv[1:] if arguments is None else arguments, prog=PROG)
        log.setup(conf, PROG)
        configuration = load.api_configuration(conf)
        current = CurrentMatrix(configuration.matrix.file)
    except (ConfigError, MatrixError) as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return 2
    # Blocked in this thread, and so in all that it starts: only `_run` receives them, one at a time.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        server = _assemble(configuration, current)
        server.start()
    except (StartError, OSError) as error:
        print(f"{PROG}: cannot start: {error}", file=sys.stderr)
        return 1
    return _run(server, current)


def _assemble(configuration: ApiConfiguration, current: CurrentMatrix) -> WebhookServer:
    try:
        store = Store.open(configuration.database.connection)
    except StoreError as error:
        raise StartError(f"{error} (remediation-manage db upgrade)") from error
    except db_exception.DBError as error:
        raise StartError(f"the database cannot be used: {redact(' '.join(str(error).split()))}") from None
    webhook = configuration.webhook
    app = make_app(
        credentials=Credentials(webhook.caller.user, webhook.caller.password),
        matrix=lambda: current.matrix,
        calls=store,
        clock=lambda: datetime.datetime.now(datetime.UTC),
    )
    if not webhook.is_encrypted:
        LOG.warning(
            "the webhook serves without TLS ([webhook] allow_plaintext): its password can be read on the network"
        )
    return _listening(webhook, app)


def _listening(webhook: WebhookSettings, app: object) -> WebhookServer:
    try:
        return WebhookServer(
            app,
            bind=webhook.bind,
            port=webhook.port,
            threads=webhook.threads,
            certificate=webhook.certificate,
            key=webhook.key,
        )
    except OSError as error:
        raise StartError(f"[webhook] certificate or key cannot be used: {error}") from error


def _run(server: WebhookServer, current: CurrentMatrix) -> int:
    while server.is_serving:
        received = signal.sigtimedwait(_SIGNALS, ALIVE_INTERVAL)
        if received is None:
            continue
        if received.si_signo == signal.SIGHUP:
            current.reload()
            continue
        LOG.info("ends after %s", signal.Signals(received.si_signo).name)
        server.stop()
        return 0
    LOG.error("the webhook stopped serving by itself; the process ends so that it is started again")
    return 1


if __name__ == "__main__":
    sys.exit(main())
