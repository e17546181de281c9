"""Serves the webhook with cheroot: threads, TLS, and limits on what a caller can hold up."""

import socket
import threading
from typing import Any, Final

from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter
from oslo_log import log

from remediation.webhook import body

LOG = log.getLogger(__name__)
MAX_HEADER_BYTES: Final = 16384
BACKLOG: Final = 128  # Aodh's notifier opens 64 connections at most; twice that for a burst of two notifiers.
MAX_WAITING: Final = 512  # Connections accepted and not yet served; more are refused with 503.
READ_TIMEOUT: Final = 5  # Seconds that a caller may let us wait for its next bytes; it holds a thread meanwhile.
SHUTDOWN_TIMEOUT: Final = 5  # Seconds in which calls under way may end.


class WebhookServer:
    """Serves `app` at `bind`:`port`, over TLS when `certificate` and `key` name PEM files. Port 0 takes a free one."""

    def __init__(
        self, app: Any, *, bind: str, port: int, threads: int, certificate: str | None = None, key: str | None = None
    ) -> None:
        """Raises OSError (ssl.SSLError is one) when certificate or key cannot be used."""
        self._server = _Server(
            (bind, port),
            app,
            numthreads=threads,
            max=threads,
            server_name="ceilo-gossip",
            request_queue_size=BACKLOG,
            timeout=READ_TIMEOUT,
            shutdown_timeout=SHUTDOWN_TIMEOUT,
            accepted_queue_size=MAX_WAITING,
        )
        self._server.max_request_header_size = MAX_HEADER_BYTES
        self._server.max_request_body_size = body.MAX_BYTES
        if certificate is not None:
            self._server.ssl_adapter = BuiltinSSLAdapter(certificate, key)
        self._thread = threading.Thread(target=self._server.serve, name="webhook", daemon=True)

    def start(self) -> None:
        """Listen, then serve in threads. Raises OSError when the address cannot be bound."""
        self._server.prepare()
        self._thread.start()
        LOG.info("webhook listens on %s port %d", *self.address[:2])

    @property
    def address(self) -> tuple[str, int]:
        """The address and port that are listened on."""
        bound: socket.socket = self._server.socket
        host, port = bound.getsockname()[:2]
        return str(host), int(port)

    @property
    def is_serving(self) -> bool:
        """Whether the thread that accepts connections is alive."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Accept no more, let calls under way end, and return."""
        self._server.stop()
        self._thread.join(SHUTDOWN_TIMEOUT)


class _Server(wsgi.Server):  # type: ignore[misc, unused-ignore]  # cheroot's types depend on its version.
    """cheroot's server, telling its troubles through our log: mostly callers' broken connections and handshakes."""

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        LOG.log(level, "cheroot: %s", msg.strip(), exc_info=traceback)
