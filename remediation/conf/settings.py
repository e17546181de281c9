"""What each part of remediation is told: frozen settings that have already refused impossible combinations.

Every refusal is a `ConfigError` of one line that names the group, the option and the remedy. Durations are seconds.
"""

import dataclasses
import re
import urllib.parse
from typing import Final

from remediation.conf.errors import ConfigError

ELECTORATE_SIZES: Final = (3, 5, 7)  # design.md, "Views that can be trusted": odd, so that a majority is never a draw.
LAB_VARIABLE: Final = "CEILO_GOSSIP_LAB"
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """`connection` is a SQLAlchemy URL; it may hold a password and so has no repr."""

    connection: str = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        if "://" not in self.connection:
            raise ConfigError("database", "connection", "is no SQLAlchemy URL; write for example sqlite:////var/lib/x")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MatrixSettings:
    """`file` is the path of the decision matrix."""

    file: str

    def __post_init__(self) -> None:
        if not self.file:
            raise ConfigError(
                "matrix", "file", "is empty; name the decision matrix, as in /etc/ceilo-gossip/matrix.yaml"
            )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CallerSettings:
    """How Aodh reaches the webhook: `public_url` without credentials, and the `user` and `password` it gives."""

    public_url: str
    user: str
    password: str = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        if not self.user or ":" in self.user:
            raise ConfigError("webhook", "user", "must not be empty nor hold a colon (RFC 7617)")
        # Aodh's notifier uses requests, which sends credentials from a URL as Latin-1, if at all.
        for option, text in (("user", self.user), ("password_file", self.password)):
            if not (text.isascii() and text.isprintable()):
                raise ConfigError("webhook", option, "holds characters that are not printable ASCII; use others")
        url = urllib.parse.urlsplit(self.public_url)
        remedy = "write for example https://controller.example.org:8780"
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ConfigError("webhook", "public_url", f"is not an http or https URL; {remedy}")
        if url.username is not None or url.password is not None:
            raise ConfigError(
                "webhook", "public_url", f"holds credentials, which `user` and `password_file` do; {remedy}"
            )
        if url.query or url.fragment or url.path not in ("", "/"):
            raise ConfigError("webhook", "public_url", f"holds more than scheme, host and port; {remedy}")
        try:
            _ = url.port
        except ValueError:
            raise ConfigError("webhook", "public_url", f"has a port that is no number below 65536; {remedy}") from None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Where and how the webhook listens; `certificate` and `key` are paths, or both None for plain HTTP."""

    bind: str
    port: int
    certificate: str | None
    key: str | None
    allow_plaintext: bool
    threads: int
    caller: CallerSettings

    def __post_init__(self) -> None:
        _check_count("webhook", "threads", self.threads, least=1, most=256)
        if (self.certificate is None) != (self.key is None):
            missing, present = ("key", "certificate") if self.key is None else ("certificate", "key")
            raise ConfigError("webhook", missing, f"is missing although {present} is set; TLS needs both")
        if self.certificate is None and not self.allow_plaintext:
            problem = "is missing; set certificate and key, or allow_plaintext = true behind a TLS proxy or in a lab"
            raise ConfigError("webhook", "certificate", problem)
        if self.certificate is not None and self.allow_plaintext:
            problem = "is true although certificate is set; remove one of the two"
            raise ConfigError("webhook", "allow_plaintext", problem)
        if self.certificate is not None and self.caller.public_url.startswith("http:"):
            problem = "is http although the webhook serves TLS; write https"
            raise ConfigError("webhook", "public_url", problem)

    @property
    def is_encrypted(self) -> bool:
        """Whether calls arrive over TLS."""
        return self.certificate is not None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmSettings:
    """`witnesses` are the electorate's host names, each of which has `timeout` seconds to answer."""

    witnesses: tuple[str, ...]
    timeout: float

    def __post_init__(self) -> None:
        for witness in self.witnesses:
            if not _HOST.match(witness):
                raise ConfigError("confirm", "witnesses", f"{witness[:60]!r} is not a host name")
        if len(set(self.witnesses)) != len(self.witnesses):
            raise ConfigError("confirm", "witnesses", "names a host twice; each witness has one vote")
        if len(self.witnesses) not in ELECTORATE_SIZES:
            problem = f"names {len(self.witnesses)} hosts; an electorate has 3, 5 or 7, the same in every agent"
            raise ConfigError("confirm", "witnesses", problem)
        _check_seconds("confirm", "timeout", self.timeout, least=0.1, most=60)

    @property
    def majority(self) -> int:
        """How many witnesses must agree."""
        return len(self.witnesses) // 2 + 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FencingSettings:
    """Where the BMCs are, how long one operation may take, and which drivers are tried in which order."""

    inventory_file: str
    operation_deadline: float
    ladder: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.inventory_file:
            raise ConfigError("fencing", "inventory_file", "is missing; name the file with the hosts' BMCs")
        _check_seconds("fencing", "operation_deadline", self.operation_deadline, least=1, most=120)
        if not self.ladder or not all(self.ladder):
            raise ConfigError(
                "fencing", "ladder", "is empty, so that no host could ever be fenced; write for example ipmi"
            )
        if len(set(self.ladder)) != len(self.ladder):
            raise ConfigError("fencing", "ladder", "names a driver twice; name each once")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How the engine claims and carries incidents.

    host                  Nova's name of the host this engine runs on
    poll_interval         between two looks for work
    lease                 for which a claimed incident belongs to this engine
    parallel_incidents    carried at the same time
    parallel_evacuations  of one host at the same time
    evacuation_attempts   evacuate calls for one instance, at most
    evacuation_timeout    after which an instance that is not active elsewhere counts as failed
    lab_skip_fencing      leaves fencing out: only in the lab, to show that the disk checker sees a double writer
    """

    host: str
    poll_interval: float = 0.25
    lease: float = 30.0
    parallel_incidents: int = 8
    parallel_evacuations: int = 4
    evacuation_attempts: int = 3
    evacuation_timeout: float = 600.0
    lab_skip_fencing: bool = False

    def __post_init__(self) -> None:
        if not _HOST.match(self.host):
            raise ConfigError("engine", "host", f"{self.host[:60]!r} is no host name; write Nova's name of this host")
        _check_seconds("engine", "poll_interval", self.poll_interval, least=0.01, most=60)
        _check_seconds("engine", "lease", self.lease, least=1, most=3600)
        _check_seconds("engine", "evacuation_timeout", self.evacuation_timeout, least=1, most=86400)
        for option in ("parallel_incidents", "parallel_evacuations", "evacuation_attempts"):
            _check_count("engine", option, getattr(self, option), least=1, most=64)
        if self.poll_interval * 3 > self.lease:
            problem = (
                f"must be at least three times poll_interval ({self.poll_interval:g} s), so that it can be renewed"
            )
            raise ConfigError("engine", "lease", problem)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """`storm_hosts` hosts that lose the same network within `storm_window` seconds make a storm."""

    storm_hosts: int
    storm_window: float

    def __post_init__(self) -> None:
        _check_count("guards", "storm_hosts", self.storm_hosts, least=2, most=1000)
        _check_seconds("guards", "storm_window", self.storm_window, least=1, most=86400)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfiguration:
    """Everything remediation-api is told."""

    database: DatabaseSettings
    matrix: MatrixSettings
    webhook: WebhookSettings


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfiguration:
    """Everything remediation-engine is told, its Keystone credentials aside."""

    database: DatabaseSettings
    matrix: MatrixSettings
    confirm: ConfirmSettings
    fencing: FencingSettings
    engine: EngineSettings
    guards: GuardSettings

    def __post_init__(self) -> None:
        # A lease that ends during one blocking operation would let a second engine act on the same host meanwhile.
        for group, option, seconds in (
            ("confirm", "timeout", self.confirm.timeout),
            ("fencing", "operation_deadline", self.fencing.operation_deadline),
        ):
            if seconds * 2 > self.engine.lease:
                problem = f"must be at least twice [{group}] {option} ({seconds:g} s): another engine would take over"
                raise ConfigError("engine", "lease", problem)


def _check_seconds(group: str, option: str, value: float, *, least: float, most: float) -> None:
    """Refuse a duration outside its bounds; NaN, which compares false with everything, is outside too."""
    if not least <= value <= most:
        raise ConfigError(group, option, f"is {value:g} s; write a number of seconds from {least:g} to {most:g}")


def _check_count(group: str, option: str, value: int, *, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigError(group, option, f"is {value}; write a number from {least} to {most}")
