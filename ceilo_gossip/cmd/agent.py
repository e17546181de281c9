"""ceilo-gossip-agent: runs the agent in the foreground until SIGTERM or SIGINT, then leaves in good order.

Exit codes: 0 after a good end, 1 after a fault of our own, 2 when the configuration cannot be worked with.
"""

from ceilo_gossip.cmd import no_eventlet  # noqa: F401, I001 - before anything of oslo.

import asyncio
import signal
import sys
from collections.abc import Sequence

from oslo_config import cfg
from oslo_log import log

from ceilo_gossip.agent.agent import Agent
from ceilo_gossip.conf import opts
from ceilo_gossip.conf.errors import ConfError
from ceilo_gossip.conf.settings import AgentSettings, read_settings
from ceilo_gossip.report.bus import NotificationBus

LOG = log.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent with the arguments of oslo.config (--config-file PATH ...)."""
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    opts.register(conf)
    try:
        conf(sys.argv[1:] if argv is None else argv, project="ceilo-gossip")
        settings = read_settings(conf)
        agent = Agent(
            settings, conf=conf, make_bus=lambda: NotificationBus(conf, publisher_id=f"ceilo-gossip.{settings.host}")
        )
    except cfg.ConfigFileParseError as error:
        print(f"ceilo-gossip-agent: {_malformed(error)}", file=sys.stderr)
        return 2
    except (ConfError, cfg.Error) as error:
        print(f"ceilo-gossip-agent: {error}", file=sys.stderr)
        return 2
    log.setup(conf, "ceilo-gossip")
    try:
        return asyncio.run(_serve(agent, settings))
    except OSError as error:
        # An address that is not ours, a port or a socket that is taken, a directory that cannot be made.
        LOG.error("The agent cannot start: %s", error)
        print(f"ceilo-gossip-agent: {error}", file=sys.stderr)
        return 1
    except Exception:
        LOG.exception("The agent ends after a fault of its own")
        return 1


def _malformed(error: cfg.ConfigFileParseError) -> str:
    """Return where the file is malformed. The error's own text quotes the line, and with it perhaps a password."""
    line = getattr(error.__context__, "lineno", None)  # oslo.config raises it while it handles its parser's error.
    place = "" if line is None else f" in line {line}"
    return f"{error.config_file} is malformed{place}; write 'option = value' below a [group] there"


async def _serve(agent: Agent, settings: AgentSettings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await agent.run(stop)


if __name__ == "__main__":
    sys.exit(main())
