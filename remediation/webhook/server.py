"""Serves the webhook with cheroot: threads, TLS, and limits on what a caller can hold up."""

import socket
import ssl
import sys
import threading
from typing import Any, Final

from cheroot import server, wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter
from oslo_log import log

LOG = log.getLogger(__name__)
MAX_HEADER_BYTES: Final = 16384
# Bytes of a body. The application refuses what is larger than body.MAX_BYTES without reading it; cheroot then reads on,
# so that the caller gets to see the answer. What is larger than this is cut off instead.
MAX_DRAINED: Final = 1048576
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
        self._server.max_request_body_size = MAX_DRAINED
        if certificate is not None:
            self._server.ssl_adapter = _Tls(certificate, key)
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


class _Request(server.HTTPRequest):  # type: ignore[misc, unused-ignore]  # cheroot's types depend on its version.
    """A request; those that cheroot refuses by itself (malformed, far too large, too slow) are logged like ours."""

    def simple_response(self, status: Any, msg: Any = "") -> None:
        LOG.warning("request from %s refused: %s", self.conn.remote_addr, status)
        super().simple_response(status, msg)  # type: ignore[no-untyped-call, unused-ignore]

    def send_headers(self) -> None:
        # A chunked body that was refused is still on the wire; its chunks must not be taken for the next request.
        self.close_connection = self.close_connection or self.chunked_read
        super().send_headers()  # type: ignore[no-untyped-call, unused-ignore]


class _Connection(server.HTTPConnection):  # type: ignore[misc, unused-ignore]
    """A connection whose TLS handshake happens in the thread that serves it.

    cheroot's own adapter does it in the one thread that accepts: a caller that connects and says nothing would hold up
    every other call until the timeout.
    """

    RequestHandlerClass = _Request

    def communicate(self) -> bool:
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.version() is None:
            try:
                self.socket.do_handshake()
            except OSError as error:
                LOG.warning("TLS handshake with %s failed: %s", self.remote_addr, error)
                return False
        proceed: bool = super().communicate()  # type: ignore[no-untyped-call, unused-ignore]
        return proceed


class _Tls(BuiltinSSLAdapter):  # type: ignore[misc, unused-ignore]
    """Wraps sockets without speaking on them; see _Connection."""

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}


class _Server(wsgi.Server):  # type: ignore[misc, unused-ignore]
    """cheroot's server, telling its troubles through our log; a broken connection is one line, not a traceback."""

    ConnectionClass = _Connection

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        is_fault = traceback and not isinstance(sys.exc_info()[1], OSError)
        LOG.log(level, "cheroot: %s", msg.strip(), exc_info=is_fault)
