"""A real Aodh API on loopback: SQLite, no Keystone, no messaging. Run as a program: aodh_api.py CONFIG_FILE PORT.

Enough for one caller at a time; Aodh on SQLite loses alarms under load.
"""

import sys
from wsgiref.simple_server import make_server

from aodh.api import app
from aodh.cmd import storage


def main() -> None:
    """Create the tables and serve until killed."""
    file, port = sys.argv[1:]
    arguments = ["--config-file", file]
    sys.argv[1:] = arguments
    storage.dbsync()
    make_server("127.0.0.1", int(port), app.build_wsgi_app(argv=arguments)).serve_forever()


if __name__ == "__main__":
    main()
