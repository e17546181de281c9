"""Create Nova's databases in one process: `nova-manage` takes 4 s to load, and four of its commands are needed.

    python -m minicloud.nova_sync --config-file=nova.conf

It calls the commands' own functions in the order of Nova's installation guide. map_cell0 and create_cell take the
databases from the configuration, so that no password is in an argument list.
"""

import sys

# The only import: nova.cmd.manage decides how Nova does concurrency, and refuses if anything came before it.
from nova.cmd import manage


def main() -> int:
    """Run the commands one after the other; return the first exit status that is not 0."""
    manage.config.parse_args(["nova-manage", *sys.argv[1:]])
    manage.logging.setup(manage.CONF, "nova")
    manage.objects.register_all()
    cells = manage.CellV2Commands()
    steps = (
        manage.ApiDbCommands().sync,
        cells.map_cell0,
        manage.DbCommands().sync,
        lambda: cells.create_cell(name="cell1"),
    )
    for step in steps:
        status = step()
        if status:
            return int(status)
    return 0


if __name__ == "__main__":
    sys.exit(main())
