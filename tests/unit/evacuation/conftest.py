"""Nova's API in memory: novaclient and keystoneauth are real down to the last byte that would leave the machine."""

import io
import json
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
import requests
from keystoneauth1 import noauth, session
from urllib3 import HTTPResponse

ENDPOINT = "http://nova.test/v2.1"


class MemoryTransport(requests.adapters.BaseAdapter):
    """Answers requests from `routes` ("METHOD path" -> answers, the last of which stays) and keeps what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.routes: dict[str, list[Any]] = {}
        self.sent: list[requests.PreparedRequest] = []
        self.timeouts: list[object] = []

    def answer(self, route: str, *answers: Any) -> None:
        """Each answer is a JSON body, a (code, body) pair, or an exception to raise."""
        self.routes[route] = list(answers)

    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):
        self.sent.append(request)
        self.timeouts.append(timeout)
        path = urllib.parse.urlsplit(request.url).path.removeprefix("/v2.1")
        answers = self.routes[f"{request.method} {path}"]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        code, body = answer if isinstance(answer, tuple) else (200, answer)
        text = body if isinstance(body, str) else json.dumps(body)
        raw = HTTPResponse(
            body=io.BytesIO(text.encode()),
            headers={"Content-Type": "application/json", "x-compute-request-id": "req-1"},
            status=code,
            preload_content=False,
        )
        return requests.adapters.HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        pass

    def bodies(self) -> list[Any]:
        """What was sent, without what only asked."""
        return [json.loads(request.body) for request in self.sent if request.body]

    def queries(self) -> list[dict[str, list[str]]]:
        return [urllib.parse.parse_qs(urllib.parse.urlsplit(request.url).query) for request in self.sent]


@pytest.fixture
def transport() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
def keystone_session(transport: MemoryTransport) -> Callable[[], session.Session]:
    def build() -> session.Session:
        plain = requests.Session()
        plain.mount("http://", transport)
        return session.Session(auth=noauth.NoAuth(endpoint=ENDPOINT), session=plain)

    return build
