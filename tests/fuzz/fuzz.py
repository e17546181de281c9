"""Run one target under libFuzzer: `python -m tests.fuzz.fuzz TARGET CORPUS [libFuzzer's options]`.

Needs atheris (`tests/fuzz/requirements.txt`), which the project's own tests do not. The corpus is a directory; it is
first filled with the captured vectors and with what was kept of earlier runs.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ceilo_gossip"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.corpus import seeds_of
from tests.fuzz.mutation import DICTIONARY, mutated

MAX_LENGTH = 1400  # bytes; what a packet has. Longer ones are slower and reach nothing else.


def main() -> None:
    name, corpus, *options = sys.argv[1:]
    directory = Path(corpus)
    directory.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds_of(name)):
        (directory / f"seed-{number:04}").write_bytes(seed)
    with tempfile.NamedTemporaryFile("w", suffix=".dict") as dictionary:
        dictionary.write(DICTIONARY)
        dictionary.flush()
        arguments = [sys.argv[0], corpus, f"-dict={dictionary.name}", f"-max_len={MAX_LENGTH}", *options]

        def mutator(data: bytes, max_size: int, seed: int) -> bytes:
            return mutated(name, data, max_size, seed, atheris.Mutate)

        atheris.Setup(arguments, TARGETS[name], custom_mutator=mutator)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
