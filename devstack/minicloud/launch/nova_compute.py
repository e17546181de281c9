"""nova-compute with the pocket cloud's virt driver: Nova loads drivers from its own package only, so we extend that.

Run as `python nova_compute.py --config-file=FILE` on a host, with `[DEFAULT] compute_driver =
minicloud_virt.MinicloudDriver`. Importing `nova.virt` before Nova patches itself is harmless: it is an empty package.
"""

import sys
from pathlib import Path

import nova.virt

PACKAGE = Path(__file__).resolve().parent.parent


def main() -> int:
    """Be nova-compute."""
    sys.path.insert(0, str(PACKAGE.parent))
    nova.virt.__path__.append(str(PACKAGE / "virt"))
    # Nova decides at this import how it does concurrency, so not before.
    from nova.cmd.compute import main as nova_compute

    sys.argv[0] = "nova-compute"
    return int(nova_compute() or 0)


if __name__ == "__main__":
    sys.exit(main())
