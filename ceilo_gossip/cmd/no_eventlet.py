"""Keeps eventlet out of this process; import it before anything of oslo.

We run on asyncio and threads. Where eventlet happens to be installed, oslo.service and futurist, which oslo.messaging
brings along, import it nevertheless, and it brings a DNS resolver and two TLS libraries: 14 of 64 MB, on every host.
oslo.service has a backend of threads for this, which must be chosen before the first import; to the libraries that
look for eventlet themselves it is made to look as if it were not installed.
"""

import sys

from oslo_service import backend

if backend.get_backend_type() is None:  # In a test another part of the process may have chosen.
    sys.modules.setdefault("eventlet", None)  # type: ignore[arg-type]  # How Python marks what cannot be imported.
    backend.init_backend(backend.BackendType.THREADING)
