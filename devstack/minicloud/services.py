"""The programs of the control plane and of the compute hosts, as units that a host's init runs.

Only what is run and with what is said here; when it is started, and by which fact it is known to be ready, is the
`control_plane`'s matter.
"""

from typing import Final

from minicloud import endpoints
from minicloud.layout import Host
from minicloud.places import Places
from minicloud.units import Restart, Unit

# A uwsgi thread costs nothing while idle; four let Nova, Neutron and Placement call each other without waiting.
WEB_THREADS: Final = 4
# The system's programs; everything else comes from the virtual environment.
_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

DATABASE: Final = "mariadb"
MESSAGE_BUS: Final = "rabbitmq"

_WSGI: Final = {
    "keystone": "keystone.wsgi.api",
    "placement": "placement.wsgi.api",
    "glance": "glance.wsgi.api",
    "nova": "nova.wsgi.osapi_compute",
    "neutron": "neutron.wsgi.api",
    "gnocchi": "gnocchi.wsgi.api",
}


def environment(places: Places) -> dict[str, str]:
    """Return what every Python service finds in its environment."""
    etc = places.etc
    return {
        "PATH": f"{places.venv / 'bin'}:{_SYSTEM_PATH}",
        "HOME": str(places.state / "home"),  # Else a person's own openrc or clouds.yaml could reach a service.
        "LANG": "C.UTF-8",
        # stevedore caches the entry points of 240 packages; shared by all services and by all runs.
        "XDG_CACHE_HOME": str(places.layout.directories.home / "cache"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",  # Else each start writes a page about eventlet's end into its log.
        # Nova's own switch to native threads; nova-manage would patch itself with eventlet even so.
        "OS_NOVA_DISABLE_EVENTLET_PATCHING": "1",
        "OS_KEYSTONE_CONFIG_FILES": str(etc / "keystone" / "keystone.conf"),
        "OS_PLACEMENT_CONFIG_DIR": str(etc / "placement"),
        "OS_GLANCE_CONFIG_DIR": str(etc / "glance"),
        "OS_NOVA_CONFIG_DIR": str(etc / "nova"),
        "OS_NEUTRON_CONFIG_DIR": str(etc / "neutron"),
        "OS_NEUTRON_CONFIG_FILES": "neutron.conf",
        # numpy, which Gnocchi loads, would start a thread for each core.
        "OPENBLAS_NUM_THREADS": "1",
    }


def database(places: Places) -> Unit:
    """Return MariaDB: durable enough for a laboratory, where a power cut of ctl-1 is the end of the run."""
    data = places.database
    return _unit(
        places,
        DATABASE,
        "/usr/sbin/mariadbd",
        "--no-defaults",
        "--user=root",
        f"--datadir={data}",
        f"--socket={data / 'mariadb.sock'}",
        f"--pid-file={data / 'mariadb.pid'}",
        f"--bind-address={endpoints.ADDRESS}",
        f"--port={endpoints.MARIADB_PORT}",
        f"--init-file={places.etc / 'mariadb' / 'users.sql'}",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-doublewrite=0",
        "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=32M",
        "--skip-log-bin",
        "--performance-schema=OFF",
        "--max-connections=400",
        "--skip-name-resolve",
    )


def message_bus(places: Places) -> Unit:
    """Return RabbitMQ as an Erlang node of its own, with its own epmd, cookie and tables."""
    state = places.state / "rabbitmq"
    etc = places.etc / "rabbitmq"
    settings = {
        "HOME": str(state),  # Where Erlang keeps its cookie.
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "minicloud@localhost",
        "RABBITMQ_MNESIA_BASE": str(state / "mnesia"),
        "RABBITMQ_LOG_BASE": str(places.log),
        "RABBITMQ_PID_FILE": str(state / "pid"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(etc / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(etc / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(etc / "enabled_plugins"),
        # One scheduler that sleeps when it has nothing to do: an idle broker costs nothing.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none +S 1:1",
    }
    return _unit(places, MESSAGE_BUS, "/usr/lib/rabbitmq/bin/rabbitmq-server", extra=settings)


def web(places: Places, name: str) -> Unit:
    """Return the API service `name` under uwsgi, which answers only once the application is loaded."""
    endpoint = {each.name: each for each in endpoints.ALL}[name]
    argv = [
        places.program("uwsgi"),
        f"--http-socket={endpoints.ADDRESS}:{endpoint.port}",
        "--http-chunked-input",
        f"--virtualenv={places.venv}",
        "--enable-threads",
        f"--threads={WEB_THREADS}",
        "--processes=1",
        "--need-app",
        "--die-on-term",
        "--buffer-size=65535",
        "--add-header=Connection: close",  # Without it clients now and then meet a connection that was just closed.
        "--disable-logging",
        f"--procname={name}-api",
    ]
    extra = {}
    if name == "aodh":
        # aodh.wsgi.api ignores arguments; the script does not.
        argv += [f"--wsgi-file={places.program('aodh-api')}", f"--pyargv=--config-file {places.etc}/aodh/aodh.conf"]
    else:
        argv += [f"--module={_WSGI[name]}:application"]
    if name == "gnocchi":
        argv += [f"--pyargv=--config-file {places.etc}/gnocchi/gnocchi.conf"]
    if name in ("nova", "neutron"):
        argv += [f"--pyargv=--log-file {places.log}/{name}-api.log"]
    if name == "neutron":
        extra["PYTHONPATH"] = f"{places.neutron_plugin}:{places.project / 'devstack'}"
    return _unit(places, f"{name}-api", *argv, extra=extra)


def daemon(places: Places, name: str, *arguments: str, extra: dict[str, str] | None = None) -> Unit:
    """Return a unit for a console script of the virtual environment, named as the script."""
    return _unit(places, name, places.program(name), *arguments, extra=extra or {})


def workers(places: Places) -> tuple[Unit, ...]:
    """Return the services that take their work from the message bus, except nova-compute."""
    etc, log = places.etc, places.log
    nova = f"--config-file={etc / 'nova' / 'nova.conf'}"
    aodh = f"--config-file={etc / 'aodh' / 'aodh.conf'}"
    return (
        daemon(places, "nova-conductor", nova, f"--log-file={log / 'nova-conductor.log'}"),
        daemon(places, "nova-scheduler", nova, f"--log-file={log / 'nova-scheduler.log'}"),
        daemon(places, "aodh-listener", aodh, f"--log-file={log / 'aodh-listener.log'}"),
        daemon(places, "aodh-notifier", aodh, f"--log-file={log / 'aodh-notifier.log'}"),
        daemon(places, "aodh-evaluator", aodh, f"--log-file={log / 'aodh-evaluator.log'}"),
        daemon(places, "gnocchi-metricd", f"--config-file={etc / 'gnocchi' / 'gnocchi.conf'}"),
        _ceilometer(places, "events", "ceilometer-agent-notification"),
        _ceilometer(places, "samples", "ceilometer-agent-notification"),
        _ceilometer(places, "polling", "ceilometer-polling", "--polling-namespaces=central"),
    )


def _ceilometer(places: Places, part: str, program: str, *arguments: str) -> Unit:
    etc = places.etc / "ceilometer"
    files = [etc / "ceilometer.conf", places.installed_definitions / f"{part}.conf"]
    if part == "polling":
        files.append(etc / "polling.conf")  # Last, because the installed file leaves the agents to be asked open.
    return _unit(
        places,
        f"ceilometer-{part}",
        places.program(program),
        *(f"--config-file={file}" for file in files),
        f"--log-file={places.log}/ceilometer-{part}.log",
        *arguments,
    )


def remediation(places: Places) -> tuple[Unit, ...]:
    """Return the webhook and the engine."""
    file = f"--config-file={places.remediation / 'remediation.conf'}"
    return (daemon(places, "remediation-api", file), daemon(places, "remediation-engine", file))


def engine_without_fencing(places: Places) -> Unit:
    """Return remediation-engine as the lab runs it to show why fencing is needed; it says so twice, as it must."""
    return daemon(
        places,
        "remediation-engine",
        f"--config-file={places.remediation / 'remediation.conf'}",
        f"--config-file={places.lab_file}",
        extra={"CEILO_GOSSIP_LAB": "1"},
    )


def control_plane(places: Places) -> tuple[Unit, ...]:
    """Return every unit of ctl-1 in the order of need, as a boot starts them."""
    return (
        message_bus(places),
        database(places),
        *(web(places, endpoint.name) for endpoint in endpoints.ALL),
        *workers(places),
        *remediation(places),
    )


def agent(places: Places, host: Host) -> Unit:
    """Return the gossip agent of `host`."""
    return _unit(
        places,
        "ceilo-gossip-agent",
        places.program("ceilo-gossip-agent"),
        f"--config-file={places.agent_file(host)}",
        host=host.name,
    )


def once(places: Places, name: str, *argv: str, extra: dict[str, str] | None = None) -> Unit:
    """Return a unit that runs a command of the virtual environment to its end."""
    program, *arguments = argv
    return Unit(
        name,
        (program if program.startswith("/") else places.program(program), *arguments),
        env={**environment(places), **(extra or {})},
        cwd=str(places.run),
        log=str(places.log / f"{name}.out"),
        restart=Restart.NEVER,
    )


def login(password: str, *, user: str, project: str) -> dict[str, str]:
    """Return the OS_* variables by which OpenStack's commands log in."""
    return {
        "OS_AUTH_TYPE": "password",
        "OS_AUTH_URL": endpoints.KEYSTONE.url,
        "OS_IDENTITY_API_VERSION": "3",
        "OS_USERNAME": user,
        "OS_PASSWORD": password,
        "OS_PROJECT_NAME": project,
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_REGION_NAME": endpoints.REGION,
    }


def nova_compute(places: Places, host: Host) -> Unit:
    """Return nova-compute on `host`, with the virt driver whose guests outlive it."""
    file = places.nova_compute_file(host)
    launcher = places.project / "devstack" / "minicloud" / "launch" / "nova_compute.py"
    return _unit(
        places, "nova-compute", places.program("python"), str(launcher), f"--config-file={file}", host=host.name
    )


def _unit(places: Places, name: str, *argv: str, extra: dict[str, str] | None = None, host: str = "") -> Unit:
    return Unit(
        name,
        argv,
        env={**environment(places), **(extra or {})},
        cwd=str(places.run),
        log=str(places.log / f"{name}{'-' if host else ''}{host}.out"),
        restart=Restart.ALWAYS,
    )
