"""What a person finds in the demo project: an image, a flavor, a network, and room for a hundred instances.

Each is looked up before it is made, so that running it twice changes nothing.
"""

from typing import Any, Final

IMAGE: Final = "tiny"
FLAVOR: Final = "tiny"
NETWORK: Final = "demo"
_INSTANCES: Final = 100
_MEMORY: Final = 64  # MiB; a guest is one small process.


def furnish(cloud: Any, nova: Any) -> None:
    """Make what is missing. Both are the admin's clients in the demo project: openstacksdk's and novaclient's."""
    if not cloud.image.find_image(IMAGE):
        cloud.image.create_image(
            name=IMAGE,
            disk_format="raw",
            container_format="bare",
            data=bytes(4096),  # Nobody boots it: guests are processes of ours.
            validate_checksum=False,
            wait=True,
        )
    if not cloud.compute.find_flavor(FLAVOR):
        cloud.compute.create_flavor(name=FLAVOR, ram=_MEMORY, vcpus=1, disk=1)
    network = cloud.network.find_network(NETWORK) or cloud.network.create_network(name=NETWORK)
    if not network.subnet_ids:
        cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.92.0.0/16", name=NETWORK)
    project = cloud.current_project_id
    nova.quotas.update(project, instances=_INSTANCES, cores=_INSTANCES, ram=_INSTANCES * _MEMORY)
