"""A Vivaldi network coordinate, as Serf sends it in the payload of an ack: a version byte and a struct, in seconds."""

import math
from dataclasses import dataclass

from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.msgpack_dialect import Fields, pack_struct, unpack

DIMENSIONS = 8
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Coordinate:
    """A place in the space of round-trip times. All figures are seconds, except `error`, which has no unit."""

    vector: tuple[float, ...]
    error: float
    adjustment: float
    height: float

    def __post_init__(self) -> None:
        if len(self.vector) != DIMENSIONS:
            raise WireError(f"a coordinate has {DIMENSIONS} dimensions, not {len(self.vector)}")
        if not all(map(math.isfinite, (*self.vector, self.error, self.adjustment, self.height))):
            raise WireError("a coordinate has a figure that is not finite")


def encode_coordinate(coordinate: Coordinate) -> bytes:
    """The ack payload that announces it."""
    return bytes((_VERSION,)) + pack_struct(
        {
            "Vec": list(coordinate.vector),
            "Error": coordinate.error,
            "Adjustment": coordinate.adjustment,
            "Height": coordinate.height,
        }
    )


def decode_coordinate(payload: bytes) -> Coordinate | None:
    """The coordinate in an ack payload, None for an empty one; `WireError` when it is malformed."""
    if not payload:
        return None
    if payload[0] != _VERSION:
        raise WireError(f"coordinate version {payload[0]} is not known")
    fields = Fields(unpack(payload[1:]), of="coordinate", declared=("Vec", "Error", "Adjustment", "Height"))
    vector = []
    for figure in fields.items("Vec"):
        if isinstance(figure, bool) or not isinstance(figure, int | float):
            raise WireError("a coordinate has a figure that is no number")
        vector.append(float(figure))
    return Coordinate(tuple(vector), fields.number("Error"), fields.number("Adjustment"), fields.number("Height"))
