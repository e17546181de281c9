"""Registers the options that oslo.messaging's RPC reads but registers on the global configuration only.

Without them each call on a configuration of one's own, ours as well as ceilometer-polling's, fails with NoSuchOptError
(seen with oslo.messaging 18.3.1, `rpc/client.py` and `rpc/server.py`: tracing and metrics).
"""

import importlib
from typing import Any, Final

# Module and, in it, the list of options, which is also the name of their group.
_LISTS: Final = (
    ("oslo_messaging._tracing.client", "oslo_messaging_tracing"),
    ("oslo_messaging._metrics.client", "oslo_messaging_metrics"),
)


def register_rpc_options(conf: Any) -> None:
    """Register on `conf`, a ConfigOpts, what RPC needs; releases that have no such list need none."""
    for module_name, name in _LISTS:
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError:
            continue
        conf.register_opts(getattr(module, name), group=name)
