"""Why a host could not be proved to be off.

    FenceError            anything; the host's power is UNKNOWN, never off
    +-- InventoryError    the inventory cannot be used: file, host, field, remedy
    +-- BmcError          one BMC refused, failed, or did not answer
    +-- FenceFailed       every method of the host failed; carries the reason of each

An error is *final* when trying again cannot help until somebody changes the configuration (a wrong password, an unknown
host). Silence, timeouts and refusals that may pass are not final: the engine tries again.
"""

import enum


class Stage(enum.StrEnum):
    """How far a fencing operation had come when it failed."""

    CONFIGURE = "configure"  # reading or checking the inventory
    START = "start"  # starting the process that talks to the BMC
    RESOLVE = "resolve"  # turning the BMC's name into an address
    LOGIN = "login"  # opening a session
    IDENTIFY = "identify"  # reading which machine the BMC belongs to
    READ = "read"  # reading the power state
    POWER_OFF = "power-off"  # asking for power off
    POWER_ON = "power-on"  # asking for power on
    CONFIRM = "confirm"  # reading back what was asked for; "off" twice


class FenceError(Exception):
    """A host was not proved to be off. `str()` is a sentence for an operator and never holds a secret.

    host      Nova host name, or "" when the error concerns all hosts
    stage     how far the operation had come
    is_final  True when trying again is useless until the configuration changes
    """

    def __init__(self, sentence: str, *, host: str, stage: Stage, is_final: bool) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.host = host
        self.stage = stage
        self.is_final = is_final


class InventoryError(FenceError):
    """The inventory of fencing methods cannot be used.

    file    path of the file at fault
    field   the field at fault, or "" when it is the file or the host as a whole
    remedy  what to do about it
    """

    def __init__(self, problem: str, *, file: str, host: str = "", field: str = "", remedy: str) -> None:
        place = ", ".join([file, *([f"host {host}"] if host else []), *([f"field {field}"] if field else [])])
        super().__init__(f"{place}: {problem}. {remedy}", host=host, stage=Stage.CONFIGURE, is_final=True)
        self.file = file
        self.field = field
        self.problem = problem
        self.remedy = remedy


class BmcError(FenceError):
    """One operation on one BMC failed; what the BMC would have said is unknown."""


class FenceFailed(FenceError):
    """No method of the host gave evidence. `reasons` are (method, error) in the order tried.

    Final only when every method's error is final.
    """

    def __init__(self, host: str, reasons: tuple[tuple[str, FenceError], ...]) -> None:
        assert reasons, "a failed ladder has at least one reason"
        tried = "; ".join(f"{method}: {error.sentence}" for method, error in reasons)
        super().__init__(
            f"{host} is not proved to be off: {tried}",
            host=host,
            stage=reasons[-1][1].stage,
            is_final=all(error.is_final for _, error in reasons),
        )
        self.reasons = reasons
