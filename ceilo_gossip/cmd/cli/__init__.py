"""ceilo-gossip: asks and steers the agent of this host.

Exit codes: 0 with an answer, 1 when the agent cannot be asked, says no, or could do only a part of what it was to do,
2 for wrong arguments.
"""

import os
import sys
from collections.abc import Sequence

from ceilo_gossip.cmd.cli.parser import UsageError, parse
from ceilo_gossip.control.client import ControlError

INTERRUPTED = 130  # What a shell reports of a command that ended by SIGINT.


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say, and return the exit code."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except UsageError as error:
        print(f"ceilo-gossip: {error}", file=sys.stderr)
        return 2
    except ControlError as error:
        print(f"ceilo-gossip: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has enough; Python must not complain about it again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return code
