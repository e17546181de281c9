"""What the fuzzer tries: libFuzzer's own mutations with the protocol's words, and whole steps moved about."""

import random
from collections.abc import Callable

from ceilo_gossip.wire import codec, serf_codec
from tests.fuzz.member import STEPS, Step, bytes_of, steps_of

MAX_STEP_LENGTH = 255
_FORMS = ("80", "81", "8f", "90", "9f", "a0", "bf", "c0", "c2", "c3", "c4ff", "c5ffff", "c6ffffffff", "ca", "cb")
_LONG_FORMS = ("ccff", "cdffff", "ceffffffff", "cfffffffffffffffff", "d080", "d3", "d9ff", "daffff", "dbffffffff")
_HUGE_FORMS = ("dcffff", "ddffffffff", "deffff", "dfffffffff", "f404706f6f6c", "ff80", "0a00000010", "82a4416c676f00")


def _names() -> list[str]:
    declared = [*codec._DECLARED.values(), *serf_codec._DECLARED.values()]
    return sorted(
        {name for names in declared for name in names} | {"Algo", "Buf", "Vec", "Error", "Adjustment", "Height"}
    )


def _entry(data: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"\n'


# In libFuzzer's format: each field's name as msgpack writes it, and the first bytes of each msgpack form.
DICTIONARY = "".join(
    _entry(data)
    for data in (
        *(bytes((0xA0 + len(name),)) + name.encode() for name in _names()),
        *(bytes.fromhex(form) for form in (*_FORMS, *_LONG_FORMS, *_HUGE_FORMS)),
        *(name.encode() for name in ("me", "p2", "_serf_ping", "_serf_conflict", "_serf_list-keys", "role")),
    )
)


def mutated(target: str, data: bytes, max_size: int, seed: int, mutate: Callable[[bytes, int], bytes]) -> bytes:
    """Another input. mutate: libFuzzer's own mutation."""
    if target != "member":
        return mutate(data, max_size)
    rng = random.Random(seed)
    steps = list(steps_of(data))
    first = data[0] if data else 0
    for _ in range(1 + rng.randrange(3)):
        _change(steps, rng, mutate)
    if rng.randrange(16) == 0:
        first = rng.randrange(8)
    while len(changed := bytes_of(first, steps)) > max_size:
        del steps[rng.randrange(len(steps))]
    return changed


def _change(steps: list[Step], rng: random.Random, mutate: Callable[[bytes, int], bytes]) -> None:
    deed = rng.randrange(8)
    if not steps or deed == 0:
        content = rng.randbytes(rng.randrange(24))
        steps.insert(rng.randint(0, len(steps)), Step(rng.randrange(len(STEPS)), content))
        return
    place = rng.randrange(len(steps))
    if deed == 1:
        del steps[place]
    elif deed == 2:
        steps.insert(rng.randint(0, len(steps)), steps[place])
    elif deed == 3:
        other = rng.randrange(len(steps))
        steps[place], steps[other] = steps[other], steps[place]
    elif deed == 4:
        steps[place] = Step(rng.randrange(len(STEPS)), steps[place].content)
    elif deed == 5 and steps[place].content:
        content = bytearray(steps[place].content)
        content[rng.randrange(len(content))] = rng.randrange(256)
        steps[place] = Step(steps[place].kind, bytes(content))
    else:
        steps[place] = Step(steps[place].kind, mutate(steps[place].content, MAX_STEP_LENGTH)[:MAX_STEP_LENGTH])
