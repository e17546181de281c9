"""The virt driver of the pocket cloud: Nova's fake driver, with guests that are real processes on shared disks.

Where Nova's fake keeps instances in memory, this asks the host's hypervisor (`minicloud.hypervisor`), so that guests
outlive nova-compute, end with the host's power, and are seen again after a restart. Disks are on shared storage: an
evacuated instance starts from the disk it had, and a host that returns must not delete it. Networks, volumes and all
the rest stay as fake as Nova made them.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import nova.conf
from nova import exception
from nova.compute import power_state
from nova.virt import fake, hardware
from oslo_log import log as logging

from minicloud import layout
from minicloud.hypervisor import Definition, Hypervisor

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


class MinicloudDriver(fake.FakeDriverWithoutFakeNodes):  # type: ignore[misc]
    """One host's driver. What it does not override, Nova's fake does."""

    vcpus = 16
    memory_mb = 32768
    local_gb = 500

    def __init__(self, virtapi: Any, read_only: bool = False) -> None:
        super().__init__(virtapi, read_only)
        cloud = layout.current(os.environ)
        self._hypervisor = Hypervisor(cloud, cloud.host(CONF.host))
        for uuid, definition in self._hypervisor.definitions().items():
            self.instances[uuid] = fake.FakeInstance(definition.name, power_state.SHUTDOWN, uuid)
            self.resources.claim(definition.vcpus, definition.memory_mb, definition.disk_gb)

    def get_info(self, instance: Any, use_cache: bool = True) -> Any:
        """Ask whether the guest runs. A guest that ended by itself, or with the host's power, is shut down."""
        if instance.uuid not in self.instances:
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        runs = self._hypervisor.is_running(instance.uuid)
        return hardware.InstanceInfo(state=power_state.RUNNING if runs else power_state.SHUTDOWN)

    def spawn(
        self,
        context: Any,
        instance: Any,
        image_meta: Any,
        injected_files: Any,
        admin_password: Any,
        allocations: Any,
        network_info: Any = None,
        block_device_info: Any = None,
        power_on: bool = True,
        accel_info: Any = None,
    ) -> None:
        """Define the instance on a new disk, or on the one it has (evacuation, migration), and run its guest."""
        flavor = instance.flavor
        definition = Definition(instance.uuid, instance.name, flavor.vcpus, flavor.memory_mb, flavor.root_gb)
        try:
            self._hypervisor.define(definition)
            if power_on:
                self._start(instance)
        except Exception:
            # Nova will try elsewhere; nothing of ours may start by itself here later.
            self._hypervisor.undefine(instance.uuid)
            raise
        super().spawn(
            context, instance, image_meta, injected_files, admin_password, allocations, network_info,
            block_device_info, power_on, accel_info,
        )  # fmt: skip

    def destroy(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        destroy_disks: bool = True,
        destroy_secrets: bool = True,
    ) -> None:
        """End the guest and forget the instance; Nova says whether the disk, which others may use, goes too."""
        LOG.info("Ending the guest%s", " and deleting its disk" if destroy_disks else "", instance=instance)
        self._hypervisor.undefine(instance.uuid)
        if destroy_disks:
            self._hypervisor.delete_disk(instance.uuid)
        super().destroy(context, instance, network_info, block_device_info, destroy_disks, destroy_secrets)

    def power_off(self, instance: Any, timeout: int = 0, retry_interval: int = 0) -> None:
        super().power_off(instance, timeout, retry_interval)
        self._hypervisor.stop(instance.uuid)

    def power_on(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        accel_info: Any = None,
        share_info: Any = None,
    ) -> None:
        super().power_on(context, instance, network_info, block_device_info, accel_info, share_info)
        self._start(instance)

    def reboot(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        reboot_type: str,
        block_device_info: Any = None,
        bad_volumes_callback: Any = None,
        accel_info: Any = None,
        share_info: Any = None,
    ) -> None:
        self._hypervisor.stop(instance.uuid)
        super().reboot(
            context, instance, network_info, reboot_type, block_device_info, bad_volumes_callback, accel_info,
            share_info,
        )  # fmt: skip

    def instance_on_disk(self, instance: Any) -> bool:
        """Say whether the instance's disk can be reached from here, which makes an evacuation keep it."""
        return self._hypervisor.disk_exists(instance.uuid)

    def check_instance_shared_storage_local(self, context: Any, instance: Any) -> Mapping[str, str]:
        """Name the disk, for the other host to look for; never None, which would mean that it is local."""
        return {"disk": instance.uuid}

    def check_instance_shared_storage_remote(self, context: Any, data: Mapping[str, str]) -> bool:
        return self._hypervisor.disk_exists(data["disk"])

    def check_instance_shared_storage_cleanup(self, context: Any, data: Mapping[str, str]) -> None:
        """Nothing was left on the storage by the check."""

    def live_migration(
        self,
        context: Any,
        instance: Any,
        dest: str,
        post_method: Callable[..., None],
        recover_method: Callable[..., None],
        block_migration: bool = False,
        migrate_data: Any = None,
    ) -> None:
        """End the guest here before `post_method` has the destination start it: never both."""
        self._hypervisor.stop(instance.uuid)
        post_method(context, instance, dest, block_migration, migrate_data)

    def post_live_migration(
        self, context: Any, instance: Any, block_device_info: Any, migrate_data: Any = None
    ) -> None:
        self._forget(context, instance)

    def migrate_disk_and_power_off(
        self,
        context: Any,
        instance: Any,
        dest: str,
        flavor: Any,
        network_info: Any,
        block_device_info: Any = None,
        timeout: int = 0,
        retry_interval: int = 0,
    ) -> None:
        self._hypervisor.stop(instance.uuid)

    def confirm_migration(self, context: Any, migration: Any, instance: Any, network_info: Any) -> None:
        if migration.source_compute != migration.dest_compute:
            self._forget(context, instance)

    def finish_revert_migration(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        migration: Any,
        block_device_info: Any = None,
        power_on: bool = True,
        share_info: Any = None,
    ) -> None:
        super().finish_revert_migration(
            context, instance, network_info, migration, block_device_info, power_on, share_info
        )
        if power_on:
            self._start(instance)

    def _start(self, instance: Any) -> None:
        LOG.info("Starting the guest", instance=instance)
        self._hypervisor.start(instance.uuid)

    def _forget(self, context: Any, instance: Any) -> None:
        """The instance lives on another host now, on the same disk."""
        self.destroy(context, instance, None, destroy_disks=False)
