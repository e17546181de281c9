"""The BMC of one host: IPMI 2.0 over LAN on UDP 623 of the host's BMC namespace, wired to its chassis' buttons.

pyghmi's server does the protocol. It is a process of its own, as its sockets live in another network namespace, its
state is global, and switching a BMC off must be as abrupt as it is with a real one. Run by the chassis as
`python -m minicloud.bmc HOST`; the credentials come from the file `Directories.bmc_credentials`.
"""

import json
import sys
import uuid
from collections.abc import Mapping
from typing import Any

from minicloud import kernel, layout
from minicloud.control_socket import CommandError, call

# The chassis kills a host in milliseconds; IPMI clients repeat themselves after about a second.
CHASSIS_TIMEOUT = 15.0
# RMCP+ open session (IPMI 2.0 specification, 13.17 and 13.24): the byte that proposes the authentication algorithm, its
# value for RAKP-HMAC-SHA1, and the status that refuses any other.
PROPOSED_AUTHENTICATION = 12
HMAC_SHA1 = 1
INVALID_AUTHENTICATION_ALGORITHM = 0x04
# Completion code "unspecified error" (table 5-2).
UNSPECIFIED_ERROR = 0xFF


def _refuse_what_the_server_cannot_speak() -> None:
    """Make pyghmi's server refuse SHA256, which it would accept and then answer with SHA1.

    Its own client proposes SHA256 first and falls back to SHA1 only when refused (pyghmi 1.6.19).
    """
    from pyghmi.ipmi.private.serversession import ServerSession

    accept = ServerSession.create_open_session_response

    def create_open_session_response(session: Any, request: bytes) -> Any:
        if len(request) > PROPOSED_AUTHENTICATION and request[PROPOSED_AUTHENTICATION] != HMAC_SHA1:
            session.clientsessionid = request[4:8]
            refusal = bytearray([request[0], INVALID_AUTHENTICATION_ALGORITHM, 0, 0])
            return refusal + bytearray(request[4:8])
        return accept(session, request)

    ServerSession.create_open_session_response = create_open_session_response


def _serve(host: layout.Host, credentials: Mapping[str, str]) -> None:
    from pyghmi.ipmi.bmc import Bmc

    _refuse_what_the_server_cannot_speak()

    def press(command: str) -> int:
        try:
            call(host.chassis_socket, {"command": command, "by": "bmc"}, timeout=CHASSIS_TIMEOUT)
        except CommandError as error:
            print(f"{command}: {error}", file=sys.stderr, flush=True)
            return UNSPECIFIED_ERROR
        return 0

    class HostBmc(Bmc):  # type: ignore[misc]
        """The buttons and the lamp; what it does not define, pyghmi answers with "invalid command"."""

        def get_power_state(self) -> str:
            answer = call(host.chassis_socket, {"command": "status"}, timeout=CHASSIS_TIMEOUT)
            return str(answer["power"])

        def power_on(self) -> int:
            return press("power-on")

        def power_off(self) -> int:
            return press("power-off")

        def power_reset(self) -> int:
            return press("reset")

        power_cycle = power_reset

        def power_shutdown(self) -> int:
            return press("shutdown")

        def cold_reset(self) -> int:
            return 0

        def get_system_guid(self) -> uuid.UUID:
            return uuid.uuid5(uuid.NAMESPACE_DNS, host.bmc_namespace)

    bmc = HostBmc({credentials["username"]: credentials["password"]}, port=layout.BMC_PORT, address=host.bmc_address)
    bmc.listen()


def main() -> None:
    """Be the BMC of the host that is named on the command line."""
    cloud = layout.current()
    host = cloud.host(sys.argv[1])
    credentials = json.loads(cloud.directories.bmc_credentials.read_text(encoding="utf-8"))
    kernel.enter_network_namespace(host.bmc_namespace)
    _serve(host, credentials)


if __name__ == "__main__":
    main()
