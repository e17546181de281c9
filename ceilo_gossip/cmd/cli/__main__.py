"""`python -m ceilo_gossip.cmd.cli` is `ceilo-gossip`."""

import sys

from ceilo_gossip.cmd.cli import main

sys.exit(main())
