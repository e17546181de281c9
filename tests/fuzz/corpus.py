"""The inputs that are kept: one file for each target, one input in hexadecimal digits on each line.

python -m tests.fuzz.corpus TARGET DIRECTORY     writes a target's file anew from a directory of libFuzzer's
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from ceilo_gossip.wire.packet import expand
from tests.fuzz.member import STEPS, Step, bytes_of
from tests.fuzz.targets import TARGETS
from tests.support.vectors import vectors

_OURS = "/ceilo_gossip/"
DIRECTORY = Path(__file__).resolve().parents[1] / "vectors" / "fuzz"


def kept(target: str) -> list[bytes]:
    """What is kept for a target."""
    file = DIRECTORY / f"{target}.txt"
    return [bytes.fromhex(line) for line in file.read_text(encoding="ascii").split()] if file.exists() else []


def seeds_of(target: str) -> list[bytes]:
    """Where a run begins: what is kept, and the captured vectors in the form that the target takes."""
    return list(dict.fromkeys([*kept(target), *_vectors_for(target)]))


def _vectors_for(target: str) -> list[bytes]:
    found = []
    for vector in vectors():
        if vector.kind.startswith(("udp packet", "memberlist msg", "serf msg")):
            found.append((vector.data, "packet"))
        elif vector.kind.startswith("encrypted udp"):
            assert vector.keyring is not None
            found.append((vector.keyring.open(vector.data), "packet"))
        elif vector.kind.startswith("encrypted tcp"):
            assert vector.keyring is not None
            found.append((vector.keyring.open(vector.data[5:], vector.data[:5]), "stream"))
        elif vector.kind.startswith("tcp"):
            found.append((vector.data, "stream"))
        else:
            found.append((vector.data, "serf"))
    streams = [data for data, layer in found if layer == "stream"]
    match target:
        case "datagram" | "sealed":
            return [data for data, layer in found if layer == "packet"]
        case "stream":
            plain = [expand(data[1:], limit=10_000) for data in streams]
            return [bytes((first,)) + data for first in (7, 200) for data in (*streams, *plain)]
        case "serf":
            return [data[1:] if data[:1] == b"\x08" else data for data, _ in found]
        case _:
            junk = next(place for place, step in enumerate(STEPS) if step.__name__ == "junk")
            return [
                bytes_of(kind, [Step(junk, data[:255])])
                for kind in range(8)
                for data, layer in found
                if layer == "packet"
            ]


Edge = tuple[str, int, int]


def edges_of(target: str, data: bytes) -> set[Edge]:
    """The ways from line to line that an input takes through our code."""
    found: set[Edge] = set()
    last: dict[FrameType, int] = {}

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if _OURS not in frame.f_code.co_filename:
            return None
        if event == "line":
            found.add((frame.f_code.co_filename, last.get(frame, 0), frame.f_lineno))
            last[frame] = frame.f_lineno
        elif event == "return":
            last.pop(frame, None)
        return trace

    sys.settrace(trace)
    try:
        TARGETS[target](data)
    finally:
        sys.settrace(None)
    return found


def minimised(target: str, inputs: Iterable[bytes]) -> list[bytes]:
    """The short inputs that together take every way that all of them take."""
    chosen: list[bytes] = []
    taken: set[Edge] = set()
    for data in sorted(set(inputs), key=lambda data: (len(data), data)):
        edges = edges_of(target, data)
        if not edges <= taken:
            taken |= edges
            chosen.append(data)
    return chosen


def main() -> None:
    target, directory = sys.argv[1:]
    found = minimised(target, [*kept(target), *(file.read_bytes() for file in Path(directory).iterdir())])
    DIRECTORY.mkdir(exist_ok=True)
    (DIRECTORY / f"{target}.txt").write_text("".join(f"{data.hex()}\n" for data in found if data), encoding="ascii")
    sys.stdout.write(f"{len(found)} inputs of {sum(map(len, found))} bytes are kept for {target}\n")


if __name__ == "__main__":
    main()
