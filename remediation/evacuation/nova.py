"""The port to Nova through python-novaclient.

Requests are made at API 2.94: from 2.95 on Nova leaves evacuated instances stopped, while here an ACTIVE instance must
be ACTIVE again. Every request has a timeout and is sent once: what to send again is decided by those who can look
first.
"""

from collections.abc import Callable
from typing import Any, Final

import urllib3.exceptions
from keystoneauth1 import exceptions as keystone_exceptions
from novaclient import client as nova_client
from novaclient import exceptions as nova_exceptions

from remediation.evacuation.errors import EvacuationError, NoComputeService, Stage
from remediation.evacuation.port import ComputeService, Instance, Migration

API_VERSION: Final = "2.94"
BINARY: Final = "nova-compute"
REASON_MAX: Final = 255  # Of a disabled service; nova/api/openstack/compute/schemas/services.py.
SENTENCE_MAX: Final = 500  # Of what Nova says in a refusal; a sentence, not a page of HTML.
MAX_PAGES: Final = 1000  # Of migration records; Nova's page holds up to 1000.
_CAUSES_MAX: Final = 10  # Links of a chain of exceptions that are looked at.

# Refusals that pass by themselves: 401 a token that ended, 408 and 429 load, 409 the instance is busy.
_RETRIABLE_CODES: Final = frozenset({401, 408, 409, 413, 429})
# An instance that is gone (404), or whose host is in use (400), may have been deleted or moved since it was looked at:
# the next look tells, and only if it still is where it was is Nova asked again.
_LOOK_AGAIN_CODES: Final = _RETRIABLE_CODES | {400, 404}


class NovaCompute:
    """Nova, through an authenticated keystoneauth session. May be used from several threads.

    session   keystoneauth session of a project-scoped administrator
    timeout   seconds for each request, Keystone's included
    region_name, interface, endpoint_override   as keystoneauth has them; None for its defaults
    """

    def __init__(
        self,
        session: Any,
        *,
        timeout: float = 15.0,
        region_name: str | None = None,
        interface: str | None = None,
        endpoint_override: str | None = None,
    ) -> None:
        assert timeout > 0, "a request without a timeout may block an engine for ever"
        self._nova: Any = nova_client.Client(
            API_VERSION,
            session=session,
            region_name=region_name,
            endpoint_type=interface or "public",
            endpoint_override=endpoint_override,
        )
        if session.timeout is None:
            session.timeout = timeout  # Keystone's own requests, to get a token, know no other.
        adapter = self._nova.client
        send = adapter.request

        def send_with_timeout(url: str, method: str, **arguments: Any) -> Any:
            return send(url, method, **{"timeout": timeout, **arguments})

        # The adapter has no option for it; its get(), post() and put() all come through here.
        adapter.request = send_with_timeout

    def find_service(self, host: str) -> ComputeService:
        """Return the host's nova-compute service. Raises NoComputeService when there is none."""
        services = _ask(Stage.FIND_SERVICE, host, lambda: self._nova.services.list(host=host, binary=BINARY))
        for service in services:
            if service.host == host:
                return ComputeService(
                    service_id=str(service.id),
                    host=host,
                    is_up=service.state == "up",
                    is_forced_down=bool(service.forced_down),
                    is_enabled=service.status == "enabled",
                    disabled_reason=service.disabled_reason or "",
                )
        raise NoComputeService(
            f"Nova has no {BINARY} service on host {host}; is that Nova's name of the host?",
            stage=Stage.FIND_SERVICE,
            server=host,
            is_retriable=False,
        )

    def force_down(self, host: str) -> None:
        """Tell Nova that the host is down."""
        service = self.find_service(host)
        _ask(Stage.FORCE_DOWN, host, lambda: self._nova.services.force_down(service.service_id, True))

    def force_up(self, host: str) -> None:
        """Take the force-down back. Retriable while Nova refuses because of evacuations that are not cleaned up."""
        service = self.find_service(host)
        _ask(
            Stage.FORCE_UP,
            host,
            lambda: self._nova.services.force_down(service.service_id, False),
            retriable_codes=_RETRIABLE_CODES | {400},
        )

    def disable(self, host: str, reason: str) -> None:
        """Keep the scheduler away from the host."""
        service = self.find_service(host)
        text = reason[:REASON_MAX] or "no reason given"
        _ask(Stage.DISABLE, host, lambda: self._nova.services.disable_log_reason(service.service_id, text))

    def enable(self, host: str) -> None:
        """Let the scheduler use the host again."""
        service = self.find_service(host)
        _ask(Stage.ENABLE, host, lambda: self._nova.services.enable(service.service_id))

    def list_instances(self, host: str) -> tuple[Instance, ...]:
        """Return all instances of all projects on the host, in the order of their ids."""
        options = {"host": host, "all_tenants": 1}
        # limit=-1: novaclient asks for page after page until one is empty.
        servers = _ask(Stage.LIST_INSTANCES, host, lambda: self._nova.servers.list(search_opts=options, limit=-1))
        return tuple(sorted((_instance(server, Stage.LIST_INSTANCES) for server in servers), key=lambda one: one.id))

    def get_instance(self, instance_id: str) -> Instance | None:
        """Return the instance, or None when it no longer exists."""
        try:
            server = _ask(Stage.GET_INSTANCE, instance_id, lambda: self._nova.servers.get(instance_id))
        except EvacuationError as error:
            if isinstance(error.__cause__, nova_exceptions.NotFound):
                return None
            raise
        return _instance(server, Stage.GET_INSTANCE)

    def evacuate(self, instance_id: str, target: str | None = None) -> None:
        """Ask Nova to rebuild the instance elsewhere."""
        _ask(
            Stage.EVACUATE,
            instance_id,
            lambda: self._nova.servers.evacuate(instance_id, host=target),
            retriable_codes=_LOOK_AGAIN_CODES,
        )

    def live_migrate(self, instance_id: str, target: str | None = None) -> None:
        """Ask Nova to move a running instance."""
        _ask(Stage.LIVE_MIGRATE, instance_id, lambda: self._nova.servers.live_migrate(instance_id, target, "auto"))

    def stop(self, instance_id: str) -> None:
        """Ask Nova to shut the instance off."""
        _ask(
            Stage.STOP,
            instance_id,
            lambda: self._nova.servers.stop(instance_id),
            retriable_codes=_LOOK_AGAIN_CODES,
        )

    def list_migrations(self, *, source: str | None = None, instance_id: str | None = None) -> tuple[Migration, ...]:
        """Return migration records, oldest first."""
        found: dict[int, Migration] = {}
        marker: str | None = None
        blame = instance_id or source or "all hosts"
        for _ in range(MAX_PAGES):
            page = _ask(
                Stage.LIST_MIGRATIONS,
                blame,
                lambda after=marker: self._nova.migrations.list(  # type: ignore[misc]
                    source_compute=source, instance_uuid=instance_id, marker=after
                ),
            )
            if not page:
                break
            found.update((record.id, _migration(record)) for record in page)
            marker = page[-1].uuid
        return tuple(found[number] for number in sorted(found))


def _ask(
    stage: Stage,
    server: str,
    call: Callable[[], Any],
    *,
    retriable_codes: frozenset[int] = _RETRIABLE_CODES,
) -> Any:
    """Return what `call` returns. Whatever novaclient and keystoneauth raise becomes an EvacuationError."""

    def failed(sentence: str, *, is_retriable: bool, is_uncertain: bool = False) -> EvacuationError:
        text = " ".join(sentence.split())[:SENTENCE_MAX]
        return EvacuationError(
            f"{stage} {server}: {text}",
            stage=stage,
            server=server,
            is_retriable=is_retriable,
            is_uncertain=is_uncertain,
        )

    try:
        return call()
    except nova_exceptions.ClientException as error:
        is_server_fault = error.code >= 500
        raise failed(
            f"Nova {'failed' if is_server_fault else 'refused'}: {error}",
            is_retriable=is_server_fault or error.code in retriable_codes,
            is_uncertain=is_server_fault,
        ) from error
    except keystone_exceptions.HttpError as error:
        # novaclient turns Nova's answers into its own exceptions: this one is Keystone's, and nothing reached Nova.
        is_retriable = error.http_status >= 500 or error.http_status in (408, 429)
        raise failed(f"Keystone gave no token: {error}", is_retriable=is_retriable) from error
    except keystone_exceptions.ConnectionError as error:
        is_uncertain = not _was_never_sent(error)
        raise failed(f"no answer from the API: {error}", is_retriable=True, is_uncertain=is_uncertain) from error
    except keystone_exceptions.ClientException as error:
        raise failed(f"the API cannot be reached: {error}", is_retriable=True) from error
    except (nova_exceptions.UnsupportedVersion, nova_exceptions.VersionNotFoundForAPIMethod) as error:
        raise failed(f"this Nova or novaclient lacks API {API_VERSION}: {error}", is_retriable=False) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # novaclient stumbles over an answer that is not Nova's, such as a proxy's page with code 200.
        raise failed(
            f"the API's answer is not understood ({type(error).__name__}: {error})",
            is_retriable=True,
            is_uncertain=True,
        ) from error


def _was_never_sent(error: BaseException) -> bool:
    """Whether the connection was refused or never made, so that the request cannot have arrived."""
    queue: list[object] = [error]
    for _ in range(_CAUSES_MAX):
        if not queue:
            return False
        cause = queue.pop(0)
        if isinstance(cause, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError):
            return True
        if isinstance(cause, BaseException):
            parts = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
            queue.extend(part for part in parts if isinstance(part, BaseException))
    return False


def _instance(server: Any, stage: Stage) -> Instance:
    if server.status == "UNKNOWN":
        # API 2.69: a cell's database does not answer, and this is all that is known. It is not an answer.
        raise EvacuationError(
            f"{stage} {server.id}: the database of its Nova cell does not answer",
            stage=stage,
            server=server.id,
            is_retriable=True,
        )
    fault = getattr(server, "fault", None) or {}
    return Instance(
        id=server.id,
        name=server.name,
        status=server.status,
        task_state=getattr(server, "OS-EXT-STS:task_state", None),
        power_state=int(getattr(server, "OS-EXT-STS:power_state", 0) or 0),
        host=getattr(server, "OS-EXT-SRV-ATTR:host", None) or "",
        project_id=getattr(server, "tenant_id", ""),
        metadata=tuple(sorted((getattr(server, "metadata", None) or {}).items())),
        fault=" ".join(str(fault.get("message", "")).split())[:SENTENCE_MAX],
        is_locked=bool(getattr(server, "locked", False)),
    )


def _migration(record: Any) -> Migration:
    return Migration(
        id=int(record.id),
        instance_id=record.instance_uuid,
        kind=record.migration_type or "",
        state=record.status or "",
        source=record.source_compute or "",
        destination=record.dest_compute or "",
    )
