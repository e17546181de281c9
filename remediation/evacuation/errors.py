"""What Nova refused, failed at, or did not answer."""

import enum


class Stage(enum.StrEnum):
    """What was being asked of Nova."""

    FIND_SERVICE = "find-service"
    FORCE_DOWN = "force-down"
    FORCE_UP = "force-up"
    DISABLE = "disable"
    ENABLE = "enable"
    LIST_INSTANCES = "list-instances"
    GET_INSTANCE = "get-instance"
    EVACUATE = "evacuate"
    LIVE_MIGRATE = "live-migrate"
    STOP = "stop"
    LIST_MIGRATIONS = "list-migrations"


class EvacuationError(Exception):
    """A request to Nova did not succeed. `str()` is a sentence for an operator.

    stage         what was asked
    server        id of the instance, or the host's name, that it concerned
    is_retriable  True when the same request may succeed later without anybody changing anything
    is_uncertain  True when Nova may have carried the request out although no answer came: look before asking again
    """

    def __init__(
        self, sentence: str, *, stage: Stage, server: str, is_retriable: bool, is_uncertain: bool = False
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.stage = stage
        self.server = server
        self.is_retriable = is_retriable
        self.is_uncertain = is_uncertain


class NoComputeService(EvacuationError):
    """Nova answered, and has no nova-compute service on `server`: it is no compute host, or is named otherwise."""
