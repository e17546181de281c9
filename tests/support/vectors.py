"""Bytes captured from Debian's serf agent, by what they are."""

import json
from pathlib import Path

_FILE = Path(__file__).resolve().parents[1] / "vectors" / "serf-0.9.4-plain.json"


def captured() -> dict[str, list[bytes]]:
    """All captured bytes by kind; kinds of which only the meaning was kept are left out."""
    kinds = json.loads(_FILE.read_text(encoding="utf-8"))["vectors"]
    return {
        kind: [bytes.fromhex(example["hex"]) for example in examples]
        for kind, examples in kinds.items()
        if all(example["hex"] for example in examples)
    }


def captured_packets() -> list[bytes]:
    """Whole UDP packets."""
    return [data for kind, examples in captured().items() if kind.startswith("udp packet") for data in examples]


def captured_messages() -> list[bytes]:
    """Single memberlist messages that are structs, type byte first."""
    return [
        data
        for kind, examples in captured().items()
        if kind.startswith("memberlist msg") and "compress" not in kind
        for data in examples
    ]


def captured_serf_messages() -> list[bytes]:
    """Serf messages, type byte first."""
    return [data[1:] for kind, examples in captured().items() if kind.startswith("serf msg") for data in examples]


def captured_stream() -> bytes:
    """A whole push/pull answer over TCP, compressed."""
    return captured()["tcp push/pull response as sent by serf"][0]
