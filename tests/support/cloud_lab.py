"""The lab's whole cloud: the pocket OpenStack with everything of ours running, seen through a scene."""

import contextlib
import os
from collections.abc import Iterator

from minicloud import kernel
from minicloud.cloud import Cloud
from minicloud.scene import Scene


@contextlib.contextmanager
def running(*, keep: bool = False) -> Iterator[Scene]:
    """Bring the cloud up from nothing and yield a scene on it; at the end take it down, unless told to keep it.

    The calling thread works inside ctl-1's network meanwhile.
    """
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    cloud = Cloud.current()
    is_whole = False
    cloud.down()
    try:
        cloud.up()
        cloud.enter()
        yield Scene(cloud)
        is_whole = True
    finally:
        if not is_whole:
            cloud.keep_logs()
        kernel.return_to_network_namespace(outside)
        os.close(outside)
        if not keep:
            cloud.down()
