"""remediation-api as a process on loopback: TLS, slow callers, signals, and what it leaves in its log."""

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from remediation.store import migrate
from remediation.store.store import Store
from remediation.webhook.server import MAX_DRAINED, READ_TIMEOUT
from tests.support.calls import aodh_body, make_verdict
from tests.support.matrices import SHIPPED

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "tell-nobody"
DEADLINE = 30.0  # Seconds in which a process must start or end, on a loaded machine.


class Api:
    """One remediation-api with a configuration, a database and a matrix of its own."""

    def __init__(self, directory: Path, *, tls: bool) -> None:
        self.directory = directory
        self.port = _free_port()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.matrix = directory / "matrix.yaml"
        self.matrix.write_bytes(SHIPPED.read_bytes())
        self.database = f"sqlite:///{directory}/incidents.sqlite"
        migrate.upgrade(self.database)
        password_file = directory / "password"
        password_file.write_text(PASSWORD)
        password_file.chmod(0o600)
        self.certificate = directory / "certificate.pem"
        security = "allow_plaintext = true"
        if tls:
            security = f"certificate = {self.certificate}\nkey = {_make_certificate(self.certificate)}"
        self.file = directory / "remediation.conf"
        self.file.write_text(
            f"[database]\nconnection = {self.database}\n[matrix]\nfile = {self.matrix}\n"
            f"[webhook]\nbind = 127.0.0.1\nport = {self.port}\npublic_url = {self.url}\n"
            f"password_file = {password_file}\nthreads = 4\n{security}\n"
        )
        self._log = directory / "log"
        self.process = self.spawn()

    def spawn(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as stream:
            return subprocess.Popen(
                [sys.executable, "-m", "remediation.cmd.api", "--config-file", str(self.file)],
                cwd=ROOT,
                stdout=stream,
                stderr=stream,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    def log(self) -> str:
        return self._log.read_text()

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return self.session().get(f"{self.url}/healthz", timeout=5).ok
        except requests.ConnectionError:
            return False

    def session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.certificate)
        return session

    def post(self, row: str = "storage-lost", *, host: str = "cmp-1", password: str = PASSWORD) -> requests.Response:
        body = json.dumps(aodh_body(make_verdict(host=host)))
        url = f"{self.url}/v1/alarm?row={row}"
        return self.session().post(url, data=body, auth=("aodh", password), timeout=DEADLINE)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _make_certificate(certificate: Path) -> Path:
    key = certificate.with_name("key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    files = ["-keyout", str(key), "-out", str(certificate), "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return key


def wait_until(fact: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not fact():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s: {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def running(directory: Path, *, tls: bool) -> Iterator[Api]:
    api = Api(directory, tls=tls)
    try:
        wait_until(api.is_ready, "the webhook answers")
        yield api
    finally:
        api.process.kill()
        api.process.wait()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running(tmp_path, tls=True) as one:
        yield one


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Api]:
    with running(tmp_path, tls=False) as one:
        yield one


def test_call_over_tls_is_on_disk_when_it_is_answered(api: Api) -> None:
    answer = api.post()
    assert answer.status_code == 202
    api.process.kill()
    assert Store.open(api.database).get_incident(answer.json()["incident_id"]).host == "cmp-1"


def test_log_tells_refusals_and_no_credentials(api: Api) -> None:
    assert api.post(password="guess-1234").status_code == 401
    assert api.post("nowhere").status_code == 404
    assert api.stop() == 0
    assert api.log().count("from 127.0.0.1 refused: ") == 2
    assert PASSWORD not in api.log()
    assert "guess-1234" not in api.log()


def test_callers_that_never_shake_hands_hold_up_nobody(api: Api) -> None:
    with contextlib.ExitStack() as silent:
        for _ in range(3):  # One thread fewer than there are: the last one serves everybody else.
            silent.enter_context(socket.create_connection(("127.0.0.1", api.port)))
        began = time.monotonic()
        assert [api.post(host=f"cmp-{number}").status_code for number in range(5)] == [202] * 5
        assert time.monotonic() - began < READ_TIMEOUT / 2


def test_silent_callers_in_every_thread_are_dropped_in_time(api: Api) -> None:
    with contextlib.ExitStack() as silent:
        for _ in range(4):  # As many as there are threads.
            silent.enter_context(socket.create_connection(("127.0.0.1", api.port)))
        assert api.post().status_code == 202


def test_caller_without_tls_is_dropped_and_the_next_one_served(api: Api) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=DEADLINE) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"alive" not in raw.recv(4096)
    assert api.post().status_code == 202


def test_protocol_older_than_tls_1_2_is_not_spoken(api: Api) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", api.port), timeout=DEADLINE) as raw, pytest.raises(OSError):
        context.wrap_socket(raw)
    wait_until(lambda: "TLS handshake with 127.0.0.1 failed" in api.log(), "the refusal is logged")


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"POST /v1/alarm?row=x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (MAX_DRAINED + 1), b"413"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20000 + b"\r\n\r\n", b"413"),
    ],
)
def test_request_that_is_malformed_or_far_too_large_is_cut_off_and_logged(plain: Api, head: bytes, code: bytes) -> None:
    with socket.create_connection(("127.0.0.1", plain.port), timeout=DEADLINE) as raw:
        raw.sendall(head)
        assert raw.recv(4096).split()[1] == code
    assert plain.post().status_code == 202
    assert "request from 127.0.0.1 refused" in plain.log()


def test_chunks_of_a_refused_body_are_not_taken_for_the_next_request(plain: Api) -> None:
    request = (
        b"POST /v1/alarm?row=storage-lost HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n20\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n\r\n0\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", plain.port), timeout=DEADLINE) as raw:
        raw.sendall(request)
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b" 401 " in answer


def test_hangup_signal_reads_the_matrix_again(plain: Api) -> None:
    assert plain.post("dead").status_code == 404
    plain.matrix.write_text(plain.matrix.read_text().replace("name: all-lost", "name: dead"))
    plain.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "matrix reloaded" in plain.log(), "the matrix is read again")
    assert plain.post("dead").status_code == 202


def test_hangup_signal_with_a_bad_matrix_changes_nothing(plain: Api) -> None:
    plain.matrix.write_text("nonsense")
    plain.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "the former one stays in force" in plain.log(), "the refusal is logged")
    assert plain.post().status_code == 202


def test_database_that_goes_away_is_not_acknowledged_and_then_is_again(plain: Api) -> None:
    file = plain.directory / "incidents.sqlite"
    assert plain.post().status_code == 202
    aside = file.rename(plain.directory / "aside")
    file.mkdir()
    assert plain.post(host="cmp-2").status_code == 503
    file.rmdir()
    aside.rename(file)
    assert plain.post(host="cmp-2").status_code == 202


def test_address_that_is_taken_is_told(plain: Api) -> None:
    second = plain.spawn()
    assert second.wait(DEADLINE) == 1
    assert "remediation-api: cannot start: " in plain.log()
    assert plain.post().status_code == 202


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("allow_plaintext = true", "", "[webhook] certificate: is missing"),
        ("threads = 4", "threads = 0", "[webhook] threads: is 0"),
        ("allow_plaintext = true", "certificate = /nowhere\nkey = /nowhere", "[webhook] public_url: is http although"),
    ],
)
def test_wrong_configuration_ends_with_code_2_and_one_line(plain: Api, old: str, new: str, message: str) -> None:
    plain.file.write_text(plain.file.read_text().replace(old, new))
    assert plain.spawn().wait(DEADLINE) == 2
    assert plain.log().splitlines()[-1].startswith(f"remediation-api: {message}")
