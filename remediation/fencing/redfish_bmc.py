"""A BMC as sushy sees it: the verbs of Redfish over HTTPS for one session (see `bmc_session`).

sushy's patience is not ours: it asks three times with two seconds between, and waits a minute for each answer. Here
each request is made once and the session is killed at its limit; whoever wants another try opens another session.
"""

import contextlib
import http.client
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Final

import requests
import sushy
import urllib3
from sushy import auth as sushy_auth
from sushy import connector as sushy_connector
from sushy import exceptions as sushy_exceptions

from remediation.fencing import guid as guids
from remediation.fencing.bmc_session import LOG_OUT_SECONDS, BmcLogin, SessionError, Task

MAX_SYSTEMS: Final = 64  # Looked at to find the one with a UUID; a chassis has 16 of them at most.
MAX_NAMED: Final = 8  # Systems in one sentence.
REQUEST_SECONDS: Final = 60.0  # For a connection and for each answer; the session's own limit comes first.
_TYPE: Final = {Task.POWER_OFF: sushy.RESET_FORCE_OFF, Task.POWER_ON: sushy.RESET_ON}
# The message registries' words for "the system is in that state already". Seen: HPE's iLO with status 400.
_IN_THIS_STATE: Final = ("InvalidOperationForSystemState",)


class RedfishBmc:
    """One session. Settings: "ca_file", "certificate", "auth", "system", as the driver's fields."""

    def __init__(self, login: BmcLogin) -> None:
        self._login = login
        self._root: Any = None
        self._auth: Any = None
        self._connector: Any = None
        self._system: Any = None
        self._is_fresh = False

    def resolve(self) -> None:
        """Turn the name of the BMC into an address; the library will do it again."""
        socket.getaddrinfo(self._login.address, self._login.port, 0, socket.SOCK_STREAM)

    def log_in(self) -> None:
        """Open a connection and read the list of systems, which needs the credentials. Kind "SSLError": no trust."""
        login = self._login
        address = f"[{login.address}]" if ":" in login.address else login.address
        is_checked = login.settings.get("certificate") != guids.UNCHECKED
        kind = sushy_auth.SessionAuth if login.settings.get("auth") == "session" else sushy_auth.BasicAuth
        self._auth = kind(login.user.decode(), login.password.decode())
        self._connector = sushy_connector.Connector(
            f"https://{address}:{login.port}",
            verify=(login.settings.get("ca_file") or True) if is_checked else False,
            server_side_retries=1,
            default_request_timeout=REQUEST_SECONDS,
        )
        # The operator's .netrc, proxies and certificate variables are none of ours.
        self._connector._session.trust_env = False
        try:
            self._root = sushy.Sushy(login.address, auth=self._auth, connector=self._connector)
            self._system = self._find_system()
        except (sushy_exceptions.SushyError, OSError) as error:
            raise _told(error) from error
        self._is_fresh = True

    def guid(self) -> str:
        """Return the system's UUID."""
        return guids.parse(str(self._system.uuid or ""))

    def power(self) -> str:
        """Return "off", or "on" for whatever is not off. A system that does not say is an error."""
        if not self._is_fresh:
            try:
                self._system.refresh()
            except sushy_exceptions.SushyError as error:
                raise _told(error) from error
        self._is_fresh = False
        state = self._system.power_state
        if state is None:
            said = str(self._system.json.get("PowerState"))[:30]
            raise SessionError(
                "", "no-state", f"the BMC does not say whether the host is on or off (PowerState {said})"
            )
        return "off" if state is sushy.PowerState.OFF else "on"

    def switch(self, task: Task, was: str) -> str:
        """Send the reset action; the types that the system says it allows are not asked for, the answer is."""
        self._is_fresh = False
        is_so_already = was == ("off" if task is Task.POWER_OFF else "on")
        try:
            self._system.reset_system(_TYPE[task])
        except sushy_exceptions.HTTPError as error:
            if not (is_so_already and means_in_this_state(error.status_code, _message_ids(error))):
                raise _told(error) from error
            return f"HTTP {error.status_code}"
        except sushy_exceptions.SushyError as error:
            raise _told(error) from error
        return "accepted"

    def log_out(self) -> None:
        """Delete the session, if one was opened: BMCs have few, and keep them for half an hour."""
        if isinstance(self._auth, sushy_auth.SessionAuth) and self._connector is not None:
            self._connector._default_request_timeout = LOG_OUT_SECONDS
            with contextlib.suppress(sushy_exceptions.SushyError):
                self._auth.close()

    def _find_system(self) -> Any:
        """Return the system that the settings name by its id or UUID, or the only one."""
        paths = list(self._root.get_system_collection().members_identities)
        wanted = self._login.settings.get("system", "")
        named = [path for path in paths if _id(path) == wanted] if wanted else paths
        if len(named) == 1:
            return self._root.get_system(named[0])
        if wanted and guids.parse(wanted):
            for path in paths[:MAX_SYSTEMS]:
                system = self._root.get_system(path)
                told = guids.parse(str(system.uuid or ""))
                if told and guids.is_same(told, wanted):
                    return system
        raise SessionError("", "no-such-system" if wanted else "which-system", _names(paths))


def means_in_this_state(status: int | None, message_ids: Sequence[str]) -> bool:
    """Tell whether a refusal says that the system is already as it should be. Seen: Dell's iDRAC says 409 (PSU501).

    Whatever else is refused leaves a BMC that shows an old "off" uncontradicted.
    """
    if status == http.client.CONFLICT:
        return True
    return status == http.client.BAD_REQUEST and any(one.endswith(_IN_THIS_STATE) for one in message_ids)


def _message_ids(error: Any) -> list[str]:
    found = error.extended_info if isinstance(error.extended_info, list) else [error.extended_info]
    # HPE's old firmware spells it MessageID.
    return [str(one.get("MessageId") or one.get("MessageID") or "") for one in found if isinstance(one, dict)]


def _told(error: Exception) -> SessionError:
    """Return what went wrong as (kind, text): the kind is what `redfish_errors` knows."""
    if isinstance(error, sushy_exceptions.HTTPError):
        ids = ", ".join(one for one in _message_ids(error) if one)
        text = " ".join(str(part) for part in (error.detail, f"({ids})" if ids else "") if part)
        return SessionError("", f"HTTP {error.status_code}", text)
    chain: list[BaseException] = [error]
    while len(chain) < 10:
        below = chain[-1].__cause__ or chain[-1].__context__
        if below is None:
            break
        chain.append(below)
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return SessionError("", "certificate", one.verify_message)
    for one in chain:
        if isinstance(one, ssl.SSLError):
            return SessionError("", "SSLError", str(one.reason or one))
    if any(isinstance(one, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError) for one in chain):
        return SessionError("", "timeout", "")
    for one in chain:
        if isinstance(one, ConnectionError | http.client.HTTPException):
            return SessionError("", type(one).__name__, str(one))
    return SessionError("", type(error).__name__, str(error))


def _id(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def _names(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - MAX_NAMED} more" if len(paths) > MAX_NAMED else ""
    return f"{len(paths)} systems: {', '.join(_id(path)[:60] for path in paths[:MAX_NAMED])}{more}"
