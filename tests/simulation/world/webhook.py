"""The webhook's process: the production WSGI application, called as a server would call it."""

import base64
import datetime
import io
import json
import urllib.parse
from collections.abc import Callable
from typing import Any

from remediation.matrix.model import Matrix
from remediation.webhook.app import make_app
from remediation.webhook.credentials import Credentials
from tests.simulation.world.database import Database, StorePort
from tests.simulation.world.facts import CallAcknowledged, Fact
from tests.simulation.world.kernel import Clock, Kernel
from tests.simulation.world.process import Process
from tests.simulation.world.trace import Trace

USER, PASSWORD = "aodh", "simulated"
ANSWERS_THAT_END_A_CALL = (200, 202)


class WebhookProcess:
    """One run of the webhook on one controller."""

    def __init__(
        self,
        kernel: Kernel,
        trace: Trace,
        database: Database,
        host: str,
        *,
        clock: Clock,
        matrix: Callable[[], Matrix],
        wall: Callable[[], datetime.datetime],
        tell: Callable[[Fact], None],
    ) -> None:
        self.process = Process(kernel, trace, name=host, clock=clock)
        self._trace = trace
        self._tell = tell
        self._rng = kernel.stream(f"webhook/{host}")
        store = StorePort(database, self.process, host, tell=tell)
        self._app: Any = make_app(credentials=Credentials(USER, PASSWORD), matrix=matrix, calls=store, clock=wall)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def pause(self) -> None:
        """It stands still."""
        self.process.pause()

    def go_on(self) -> None:
        """It goes on."""
        self.process.go_on()

    def post(self, url: str, body: dict[str, Any], answered: Callable[[int], None]) -> None:
        """Take a request; `answered` is called with the code, or never."""

        def serve() -> None:
            self.process.sleep(self._rng.uniform(0.0005, 0.003))
            code = self._call(url, json.dumps(body).encode())
            self.process.sleep(self._rng.uniform(0.0005, 0.002))
            event = body["reason_data"]["event"]
            host = next((str(value) for name, _, value in event["traits"] if name == "host"), "")
            if code in ANSWERS_THAT_END_A_CALL:
                self._tell(CallAcknowledged(event["message_id"], host, code))
            answered(code)

        self.process.start_thread(serve)

    def _call(self, url: str, content: bytes) -> int:
        parts = urllib.parse.urlsplit(url)
        secret = f"{urllib.parse.unquote(parts.username or '')}:{urllib.parse.unquote(parts.password or '')}"
        environ = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(content)),
            "HTTP_AUTHORIZATION": "Basic " + base64.b64encode(secret.encode()).decode(),
            "REMOTE_ADDR": "192.0.2.1",
            "SERVER_NAME": parts.hostname or "",
            "SERVER_PORT": str(parts.port or 80),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": parts.scheme,
            "wsgi.input": io.BytesIO(content),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        code: list[int] = []
        answer = self._app(environ, lambda status, headers, error=None: code.append(int(status.split()[0])))
        for _ in answer:
            pass
        return code[0]
