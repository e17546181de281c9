"""The fencing command of remediation-manage: check, while the hosts are well, that each could be fenced."""

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import rich.text
from oslo_config import cfg

from remediation.cmd import console
from remediation.conf import load
from remediation.fencing.errors import FenceError
from remediation.fencing.ladder import Ladder, load_ladder
from remediation.store.store import Store

PARALLEL: Final = 8  # Hosts asked at the same time; each is one small process.


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """What came of one host: `fault` is "" when it could be fenced; `learned` are the GUIDs stored now."""

    host: str
    fault: str
    learned: tuple[str, ...]
    seconds: float


def check_fencing(options: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Ask every device of hosts that are well; store which machine it says it belongs to. Exit code 1 after a fault."""
    settings = load.fencing_settings(conf)
    store = Store.open(load.database_settings(conf).connection)
    ladder = load_ladder(settings.inventory_file, settings.ladder).with_memory(store.identities)
    found = ladder.validate()
    hosts = options.hosts or (*found.hosts, *(fault.host for fault in found.faults))
    checked = check_all(ladder, hosts, settings.operation_deadline)
    if options.format == "json":
        print(json.dumps([dataclasses.asdict(one) for one in checked], indent=2))
    else:
        table = console.make_table("host", "fencing", "learned now", "seconds", right=("seconds",))
        for one in checked:
            table.add_row(one.host, rich.text.Text(one.fault or "ready"), ", ".join(one.learned), f"{one.seconds:.1f}")
        console.show(table)
    return 1 if any(one.fault for one in checked) else 0


def check_all(ladder: Ladder, hosts: Sequence[str], deadline_seconds: float) -> list[Checked]:
    """Check the hosts, PARALLEL at a time, in their order."""

    def check(host: str) -> Checked:
        began = time.monotonic()
        try:
            learned, fault = ladder.learn(host, deadline_seconds), ""
        except FenceError as error:
            learned, fault = (), error.sentence
        return Checked(host, fault, learned, round(time.monotonic() - began, 3))

    with ThreadPoolExecutor(PARALLEL) as executor:
        return list(executor.map(check, hosts))
