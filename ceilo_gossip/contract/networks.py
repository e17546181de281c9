"""The OpenStack logical networks a host is judged on, and what can be concluded about a host on one of them."""

import enum


class Network(enum.StrEnum):
    """One of the logical networks; there is one gossip pool for each."""

    MANAGEMENT = "management"
    STORAGE = "storage"
    TUNNEL = "tunnel"


class NetworkState(enum.StrEnum):
    """What we conclude about one host on one network.

    UNKNOWN is a value of its own: it never becomes DOWN and never becomes UP by convention, only by new evidence.
    """

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class Condition(enum.StrEnum):
    """A failed local check that matters to the decision matrix.

    The agents that publish conditions arrive with the checks themselves; the words are fixed here so that an event
    that names one is understood by every version of the remediator.
    """

    NOVA_COMPUTE_DOWN = "nova-compute-down"
    LIBVIRT_DOWN = "libvirt-down"
    STORAGE_IO_STALLED = "storage-io-stalled"
    DISK_READ_ONLY = "disk-read-only"
    MEMORY_ERROR = "memory-error"
