"""Faults of the networks: cuts a host off a network, wholly or one way, and heals it.

    python -m minicloud.faults cut cmp-1 storage [--carrier | --from-host | --to-host]
    python -m minicloud.faults heal cmp-1 storage

A silent cut blocks the switch's port while the link stays up, as a broken switch does; with `carrier` the link goes
down on both ends, as a pulled cable does. Power and hangs are for `power`, crashes of programs for `units`. The network
"bmc" is the port of the host's BMC on the out-of-band network. Raises `FaultError`.
"""

import argparse
import enum
import json
import subprocess

from minicloud import layout

# STP port states as `bridge link set state` takes them (net/if_link.h, BR_STATE_*).
PORT_DISABLED, PORT_FORWARDING = 0, 3
COMMAND_TIMEOUT = 10.0
BMC = "bmc"


class FaultError(Exception):
    """The switch refused; whether the fault is there is unknown."""


class Way(enum.StrEnum):
    """Which packets a one-way cut drops, as nft's hooks on the switch's port see them."""

    FROM_HOST = "ingress"
    TO_HOST = "egress"


def cut(host: str, network: str, *, carrier: bool = False, cloud: layout.Layout | None = None) -> None:
    """Let nothing pass between the host and the network; with `carrier` both ends see the link go down."""
    cloud = cloud or layout.current()
    port = port_of(cloud, host, network)
    if carrier:
        _run(cloud, "ip", "link", "set", port, "down")
    else:
        _run(cloud, "bridge", "link", "set", "dev", port, "state", str(PORT_DISABLED))


def cut_one_way(host: str, network: str, way: Way, *, cloud: layout.Layout | None = None) -> None:
    """Drop what the host sends, or what is sent to it, on this network."""
    cloud = cloud or layout.current()
    port = port_of(cloud, host, network)
    rules = (
        f"table netdev {_table(port)} {{\n"
        f"  chain {way} {{\n"
        f'    type filter hook {way} device "{port}" priority 0;\n'
        "    counter drop\n"
        "  }\n"
        "}\n"
    )
    _run(cloud, "nft", "-f", "-", text=rules)


def heal(host: str, network: str, *, cloud: layout.Layout | None = None) -> None:
    """Undo every cut of the host on this network; nothing happens if there is none."""
    cloud = cloud or layout.current()
    port = port_of(cloud, host, network)
    # `add` first: deleting a table that is not there is an error, adding one that is there is none.
    _run(cloud, "nft", "-f", "-", text=f"add table netdev {_table(port)}\ndelete table netdev {_table(port)}\n")
    _run(cloud, "ip", "link", "set", port, "up")
    _run(cloud, "bridge", "link", "set", "dev", port, "state", str(PORT_FORWARDING))


def is_cut(host: str, network: str, *, cloud: layout.Layout | None = None) -> bool:
    """Say whether the port of the host is blocked or down; one-way cuts are not seen."""
    cloud = cloud or layout.current()
    listed = json.loads(_run(cloud, "bridge", "-json", "link", "show", "dev", port_of(cloud, host, network)))
    return not listed or listed[0].get("state") != "forwarding"


def port_of(cloud: layout.Layout, host: str, network: str) -> str:
    """Return the switch's port of the host on that network; FaultError if it is not on it."""
    found = cloud.host(host)
    if network == BMC:
        return found.bmc_station.port(layout.OOB)
    for each in found.networks:
        if each.name == network:
            return found.station.port(each)
    raise FaultError(f"{host} is not on a network {network!r}")


def _table(port: str) -> str:
    return "cut_" + port.replace("-", "_")


def _run(cloud: layout.Layout, *command: str, text: str | None = None) -> str:
    full = ["ip", "netns", "exec", cloud.switch, *command]
    try:
        done = subprocess.run(full, input=text, capture_output=True, text=True, check=True, timeout=COMMAND_TIMEOUT)
    except subprocess.CalledProcessError as error:
        raise FaultError(f"{' '.join(command)}: {error.stderr.strip()}") from error
    return done.stdout


def main() -> None:
    """Carry out the verb on the command line."""
    parser = argparse.ArgumentParser(prog="faults", description="Cut a host off a network, or heal it.")
    parser.add_argument("verb", choices=("cut", "heal"))
    parser.add_argument("host")
    parser.add_argument("network", help="management, storage, tunnel, oob (controllers) or bmc")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--carrier", action="store_true", help="take the link down as well")
    how.add_argument("--from-host", dest="way", action="store_const", const=Way.FROM_HOST, help="drop what it sends")
    how.add_argument("--to-host", dest="way", action="store_const", const=Way.TO_HOST, help="drop what is sent to it")
    parsed = parser.parse_args()
    if parsed.verb == "heal":
        heal(parsed.host, parsed.network)
    elif parsed.way is not None:
        cut_one_way(parsed.host, parsed.network, parsed.way)
    else:
        cut(parsed.host, parsed.network, carrier=parsed.carrier)


if __name__ == "__main__":
    main()
