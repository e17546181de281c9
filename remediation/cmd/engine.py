"""remediation-engine: carries incidents, as a process.

SIGHUP reads the matrix again; SIGTERM and SIGINT end the process after the steps under way, and leave the incidents
to other engines at once. Exit codes: 0 ended by a signal, 1 could not start or go on, 2 the configuration, the
inventory or the matrix is refused.
"""

import dataclasses
import hashlib
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import oslo_messaging
from oslo_config import cfg
from oslo_db import exception as db_exception
from oslo_log import log

from remediation.alarms.destination import redact
from remediation.conf import keystone, load, source
from remediation.conf.errors import ConfigError
from remediation.conf.settings import EngineConfiguration
from remediation.evacuation.errors import EvacuationError
from remediation.evacuation.nova import NovaCompute
from remediation.evacuation.planner import PlanSettings, Record
from remediation.evacuation.port import Compute
from remediation.fencing.errors import FenceError
from remediation.fencing.ladder import Ladder, load_ladder
from remediation.guards import port as guarding
from remediation.incident.facts import Limits
from remediation.matrix.errors import MatrixError
from remediation.store.errors import StoreError
from remediation.store.store import Store
from remediation.webhook.current import CurrentMatrix
from remediation.workflow.agents import Ask, RpcAgents, rpc_ask
from remediation.workflow.carrier import Carrier, CarrierSettings, Ports
from remediation.workflow.engine import Engine, EngineName, Troubles
from remediation.workflow.ports import Agents, wall_clock

LOG = log.getLogger(__name__)
PROG: Final = "remediation-engine"
_TRANSPORT_REMEDY: Final = "set it to the message bus, e.g. rabbit://USER:PASSWORD@192.0.2.11:5672/, / as %2F, $ as %24"
_SIGNALS: Final = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


class StartError(Exception):
    """The process cannot start; the text says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Threads:
    """The pools: one thread carries an incident, others ask the agents and call Nova for it meanwhile."""

    incidents: ThreadPoolExecutor
    agents: ThreadPoolExecutor
    evacuations: ThreadPoolExecutor

    @classmethod
    def of(cls, configuration: EngineConfiguration) -> "Threads":
        """Make the pools, each as large as `configuration` can ever need."""
        incidents = configuration.engine.parallel_incidents
        return cls(
            ThreadPoolExecutor(incidents, thread_name_prefix="incident"),
            # Twice: those whose answer is no longer needed end by their own timeout.
            ThreadPoolExecutor(2 * incidents * len(configuration.confirm.witnesses), thread_name_prefix="agent"),
            ThreadPoolExecutor(incidents * configuration.engine.parallel_evacuations, thread_name_prefix="evacuation"),
        )

    def evacuate_all(self, calls: Sequence[Callable[[], Record]]) -> list[Record]:
        """Make evacuation calls together."""
        return [future.result() for future in [self.evacuations.submit(call) for call in calls]]

    def close(self) -> None:
        """End the threads after what they are doing."""
        for pool in (self.incidents, self.evacuations, self.agents):
            pool.shutdown(wait=True, cancel_futures=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal ends the process; return its exit code."""
    try:
        conf = source.parse(sys.argv[1:] if arguments is None else arguments, prog=PROG)
        log.setup(conf, PROG)
        configuration = load.engine_configuration(conf)
        current = CurrentMatrix(configuration.matrix.file)
        ladder = _ladder(configuration)
        compute = _compute(conf, configuration)
        _check_transport_url(conf)
    except (ConfigError, MatrixError, FenceError) as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return 2
    # Blocked in this thread, and so in all that it starts: only `_run` receives them, one at a time.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    threads = Threads.of(configuration)
    try:
        # Kept open until the process ends, however it ends.
        only_one = _lock(configuration)
        electorate = configuration.confirm.witnesses
        ask_one = _rpc_ask(conf, configuration)
        agents = RpcAgents(electorate, ask_one=ask_one, executor=threads.agents, timeout=configuration.confirm.timeout)
        engine = _assemble(configuration, current, ladder, compute, agents, threads)
    except ConfigError as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return 2
    except (StartError, guarding.GuardError) as error:
        print(f"{PROG}: cannot start: {error}", file=sys.stderr)
        return 1
    threads.agents.submit(_warm_up, configuration.engine.host, agents, compute)
    with only_one:
        return _run(engine, current, threads, configuration.engine.poll_interval)


def _ladder(configuration: EngineConfiguration) -> Ladder:
    """Raises FenceError when the inventory or a driver cannot be used, or no host: better now than when one is dead.

    A host whose entry has a fault is told and keeps no other from being fenced.
    """
    ladder = load_ladder(configuration.fencing.inventory_file, configuration.fencing.ladder)
    if not configuration.engine.lab_skip_fencing:
        found = ladder.validate()
        if not found.hosts:
            raise found.faults[0]
        for fault in found.faults:
            LOG.error("a host cannot be fenced: %s", fault.sentence)
        LOG.info("%d hosts can be fenced", len(found.hosts))
    return ladder


def _compute(conf: cfg.ConfigOpts, configuration: EngineConfiguration) -> NovaCompute:
    # An effect on Nova is at most two requests, and must end within half a lease (see workflow.leases).
    timeout = configuration.engine.lease / 4
    return NovaCompute(keystone.load_session(conf, "nova"), timeout=timeout, **keystone.adapter_options(conf, "nova"))


def _check_transport_url(conf: cfg.ConfigOpts) -> None:
    """Raise ConfigError unless [DEFAULT] transport_url can be read. The cause is cut off: it may quote a password."""
    try:
        # ValueError comes from urllib, cfg.Error from a $ in the password, which oslo.config takes for a reference.
        url = oslo_messaging.TransportURL.parse(conf)
    except (oslo_messaging.InvalidTransportURL, ValueError, cfg.Error):
        raise ConfigError("DEFAULT", "transport_url", f"is not a valid URL; {_TRANSPORT_REMEDY}") from None
    if url.transport != "fake" and not url.hosts:
        raise ConfigError("DEFAULT", "transport_url", f"names no host; {_TRANSPORT_REMEDY}")


def _rpc_ask(conf: cfg.ConfigOpts, configuration: EngineConfiguration) -> Ask:
    """Raises ConfigError when oslo.messaging has no driver for the URL."""
    try:
        return rpc_ask(conf, timeout=configuration.confirm.timeout)
    except oslo_messaging.DriverLoadFailure:
        problem = f"begins with the name of no message bus driver; {_TRANSPORT_REMEDY}"
        raise ConfigError("DEFAULT", "transport_url", problem) from None


def _lock(configuration: EngineConfiguration) -> socket.socket:
    """Return a lock by which this is the only engine of its name: leases in that name may then be taken at once.

    It is a name in the abstract namespace of Unix sockets, which the kernel frees when the process ends, however it
    ends. Raises StartError when another process has it.
    """
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(f"\0{PROG}:{_owner(configuration)}")
    except OSError as error:
        lock.close()
        name = configuration.engine.host
        raise StartError(f"another engine of the name {name} runs here for the same database") from error
    return lock


def _owner(configuration: EngineConfiguration) -> str:
    """Return our name in leases: the host, and which database's engine it is, should there be several."""
    place = hashlib.sha256(configuration.database.connection.encode()).hexdigest()[:8]
    return f"{configuration.engine.host[:60]}/{place}"


def _assemble(
    configuration: EngineConfiguration,
    current: CurrentMatrix,
    ladder: Ladder,
    compute: Compute,
    agents: Agents,
    threads: Threads,
) -> Engine:
    try:
        store = Store.open(configuration.database.connection)
    except StoreError as error:
        raise StartError(f"{error} (remediation-manage db upgrade)") from error
    except db_exception.DBError as error:
        raise StartError(f"the database cannot be used: {redact(' '.join(str(error).split()))}") from None
    settings = configuration.engine
    troubles = Troubles()
    context = guarding.GuardContext(
        own_host=settings.host,
        storm_hosts=configuration.guards.storm_hosts,
        storm_window=configuration.guards.storm_window,
    )
    ports = Ports(
        store=store,
        agents=agents,
        fencing=ladder.with_memory(store.identities),
        compute=compute,
        guards=guarding.load(context),
        troubles=troubles.all,
        clock=time.monotonic,
        wall_clock=wall_clock,
        run_all=threads.evacuate_all,
    )
    owner = _owner(configuration)
    carrier_settings = CarrierSettings(
        owner=owner,
        matrix=lambda: current.matrix,
        limits=Limits(),
        plan=PlanSettings(
            parallel=settings.parallel_evacuations,
            attempts=settings.evacuation_attempts,
            timeout=settings.evacuation_timeout,
        ),
        fence_deadline=configuration.fencing.operation_deadline,
        lab_skip_fencing=settings.lab_skip_fencing,
    )
    return Engine(
        EngineName(owner=owner, lease=settings.lease),
        store=store,
        carrier=Carrier(ports, carrier_settings, random.Random()),
        troubles=troubles,
        submit=threads.incidents.submit,
        clock=time.monotonic,
    )


def _warm_up(host: str, agents: Agents, compute: Compute) -> None:
    """Open the connections that the first incident needs: a token, a reply queue. Whether it works shows then."""
    agents.ask(host)
    try:
        compute.list_migrations(source=host)
    except EvacuationError as error:
        LOG.warning("Nova cannot be asked yet: %s", error.sentence)


def _run(engine: Engine, current: CurrentMatrix, threads: Threads, poll_interval: float) -> int:
    LOG.info("looks for incidents every %g s", poll_interval)
    while True:
        engine.poll()
        received = signal.sigtimedwait(_SIGNALS, poll_interval)
        if received is None:
            continue
        if received.si_signo == signal.SIGHUP:
            current.reload()
            continue
        LOG.info("ends after %s, once the steps under way are done", signal.Signals(received.si_signo).name)
        engine.stop()
        threads.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
