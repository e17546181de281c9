"""A nova-compute's worth of the virt driver, run on a lab host as a program: carries out verbs and prints JSON.

    python virt_driver_session.py HOST UUID STATE_PATH VERB...

Each run is a new process, as after a restart of nova-compute. It loads the driver as the launcher does.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nova.conf
import nova.virt

import minicloud

PACKAGE = Path(minicloud.__file__).resolve().parent


def load_driver(host: str, state_path: str) -> Any:
    """Return the host's driver, initialised as nova-compute does."""
    nova.virt.__path__.append(str(PACKAGE / "virt"))
    nova.conf.CONF([], project="nova", default_config_files=[])
    nova.conf.CONF.set_override("host", host)
    nova.conf.CONF.set_override("state_path", state_path)
    from nova import objects
    from nova.virt.driver import load_compute_driver

    objects.register_all()
    driver = load_compute_driver(None, "minicloud_virt.MinicloudDriver")
    driver.init_host(host)
    return driver


def main() -> None:
    """Carry out the verbs in turn; the answers are the last line of output."""
    host, uuid, state_path, *verbs = sys.argv[1:]
    driver = load_driver(host, state_path)
    from nova import objects

    instance = objects.Instance(uuid=uuid, id=7)
    instance.flavor = objects.Flavor(vcpus=1, memory_mb=64, root_gb=1)
    stopped_first: list[bool] = []

    def live_migrate() -> None:
        def post(*_: object) -> None:
            stopped_first.append(not driver._hypervisor.is_running(uuid))

        driver.live_migration(None, instance, "elsewhere", post, None)
        driver.post_live_migration(None, instance, None)

    carry_out: dict[str, Callable[[], object]] = {
        "list": driver.list_instance_uuids,
        "state": lambda: driver.get_info(instance).state,
        "on-disk": lambda: driver.instance_on_disk(instance),
        "shared": lambda: driver.check_instance_shared_storage_remote(
            None, driver.check_instance_shared_storage_local(None, instance)
        ),
        "spawn": lambda: driver.spawn(None, instance, None, None, None, None),
        "power-off": lambda: driver.power_off(instance),
        "power-on": lambda: driver.power_on(None, instance, None),
        "reboot": lambda: driver.reboot(None, instance, None, "HARD"),
        "destroy": lambda: driver.destroy(None, instance, None),
        "destroy-keeping-disk": lambda: driver.destroy(None, instance, None, destroy_disks=False),
        "live-migrate": live_migrate,
        "stopped-first": lambda: stopped_first,
    }
    sys.stdout.write(json.dumps([carry_out[verb]() for verb in verbs]) + "\n")
    sys.stdout.flush()
    # Nova's libraries leave threads behind that an orderly end would wait for.
    os._exit(0)


if __name__ == "__main__":
    main()
