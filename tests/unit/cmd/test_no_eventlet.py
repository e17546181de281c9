"""What the agent's process has loaded: a daemon on every host pays for each library it does not use."""

import importlib.util
import subprocess
import sys

UNWANTED = ("eventlet", "greenlet", "dns", "OpenSSL")


def test_agent_loads_no_eventlet_though_oslo_service_requires_it() -> None:
    assert importlib.util.find_spec("eventlet") is not None, "it is not installed, so this test could not fail"
    code = "import sys, ceilo_gossip.cmd.agent; print(*(name for name in sys.argv[1:] if sys.modules.get(name)))"
    done = subprocess.run(
        [sys.executable, "-c", code, *UNWANTED], capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout.split() == []


def test_agent_can_be_imported_where_somebody_else_has_chosen_eventlet() -> None:
    code = (
        "import oslo_messaging, ceilo_gossip.cmd.agent; from oslo_service import backend; "
        "print(backend.get_backend_type().value)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=50)
    assert done.stdout.split() == ["eventlet"], done.stderr
