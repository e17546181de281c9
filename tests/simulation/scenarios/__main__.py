"""Plays scenarios and compares, or rewrites what is expected of them.

python -m tests.simulation.scenarios [NAME...]             compare; exit code 1 when something differs
python -m tests.simulation.scenarios --tell NAME           every line of the trace
python -m tests.simulation.scenarios --rewrite [NAME...]   write expected.log; review the difference
"""

import argparse
import difflib
import sys
from collections.abc import Sequence

from tests.simulation.scenarios.play import expected, names, play, rewrite


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.scenarios")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--rewrite", action="store_true")
    parser.add_argument("--tell", action="store_true")
    chosen = parser.parse_args(arguments)
    is_well = True
    for name in chosen.names or names():
        played = play(name, tell=print if chosen.tell else None)
        for complaint in played.complaints:
            print(f"{name}: {complaint}")
        difference = list(
            difflib.unified_diff(expected(name).splitlines(), played.story.splitlines(), lineterm="", n=1)
        )
        if difference:
            print("\n".join([f"{name}: the story differs", *difference]))
        if chosen.rewrite:
            rewrite(name, played.story)
        is_well = is_well and not played.complaints and (chosen.rewrite or not difference)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
