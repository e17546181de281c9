"""What Keystone, Placement, Glance, Nova and Neutron read: one small file each, holding only what must differ.

The reasons for the less obvious options were found by running the services; they stand beside the option. Every file
holds a password and is readable by root only.
"""

from pathlib import Path
from typing import Final

from minicloud import endpoints, ini
from minicloud.layout import MANAGEMENT, Host
from minicloud.passwords import Passwords, write_private
from minicloud.places import Places

# Nova's compute services say "alive" every 2 s; 8 s of silence are then four missed reports, not a busy moment.
REPORT_INTERVAL: Final = 2
SERVICE_DOWN_TIME: Final = 8

# The broker may restart, and services may be down, while an event is on its way: queues outlive both. Everybody must
# say the same: Ceilometer listens on the exchanges of the other services too, and may not declare them otherwise.
DURABLE: Final[ini.Sections] = {"oslo_messaging_rabbit": {"amqp_durable_queues": True}}

COMPUTE_DRIVER: Final = "minicloud_virt.MinicloudDriver"


def credentials(section: str, user: str, passwords: Passwords) -> ini.Sections:
    """Return keystoneauth's options by which `user` logs in to the project `service`."""
    return {
        section: {
            "auth_type": "password",
            "auth_url": endpoints.KEYSTONE.url,
            "username": user,
            "password": passwords.users[user],
            "project_name": "service",
            "user_domain_id": "default",
            "project_domain_id": "default",
            "region_name": endpoints.REGION,
        }
    }


def client(section: str, user: str, passwords: Passwords) -> ini.Sections:
    """Return the options of a client of another service, by keystoneauth's adapter."""
    return ini.merge(credentials(section, user, passwords), {section: {"valid_interfaces": "internal"}})


def token_check(user: str, passwords: Passwords) -> ini.Sections:
    """Return the options of the middleware that validates callers' tokens."""
    return ini.merge(
        credentials("keystone_authtoken", user, passwords),
        {
            "keystone_authtoken": {
                "www_authenticate_uri": endpoints.KEYSTONE.url,
                "service_token_roles_required": True,
                "service_token_roles": "service",
            }
        },
    )


def render_core(places: Places, passwords: Passwords) -> None:
    """Write the files of the five services below `places.etc`."""
    etc = places.etc
    _write(etc / "keystone" / "keystone.conf", _keystone(places, passwords))
    _write(etc / "placement" / "placement.conf", _placement(places, passwords))
    _write(etc / "glance" / "glance-api.conf", _glance(places, passwords))
    _write(etc / "nova" / "nova.conf", _nova_control(places, passwords))
    _write(etc / "neutron" / "neutron.conf", _neutron(places, passwords))
    for host in places.compute_hosts:
        _write(places.nova_compute_file(host), _nova_compute(host, places, passwords))
    # nova-api looks for its paste file beside its configuration only.
    (etc / "nova" / "api-paste.ini").write_bytes((places.venv / "etc/nova/api-paste.ini").read_bytes())
    _make_driver_known(places)


def _make_driver_known(places: Places) -> None:
    # A distribution without files: only its entry point, found by Neutron through PYTHONPATH.
    metadata = places.neutron_plugin / "minicloud-1.0.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: minicloud\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[neutron.ml2.mechanism_drivers]\nminicloud_bind_anywhere = minicloud.bind_anywhere:BindAnywhereDriver\n"
    )


def _write(path: Path, sections: ini.Sections) -> None:
    write_private(path, ini.render(sections))


def _common(service: str, places: Places, passwords: Passwords) -> ini.Sections:
    return {
        **DURABLE,
        "DEFAULT": {
            "transport_url": passwords.transport_url,
            "log_dir": str(places.log),
            "use_stderr": False,
            "state_path": str(places.state / service),
        },
        "oslo_concurrency": {"lock_path": str(places.state / service / "lock")},
        # Nobody in the minicloud listens to what the services tell about themselves.
        "oslo_messaging_notifications": {"driver": "noop"},
    }


def _database(section: str, service: str, passwords: Passwords, database: str | None = None) -> ini.Sections:
    # One process with a few threads each: a small pool keeps MariaDB's connections bounded.
    return {
        section: {
            "connection": passwords.database_url(service, database),
            "max_pool_size": 4,
            "max_overflow": 16,
        }
    }


def _keystone(places: Places, passwords: Passwords) -> ini.Sections:
    keys = places.persistent / "keys"
    return ini.merge(
        _common("keystone", places, passwords),
        _database("database", "keystone", passwords),
        {
            "DEFAULT": {"log_file": "keystone.log"},  # Without it keystone under uwsgi logs nowhere.
            "token": {"provider": "fernet"},
            "fernet_tokens": {"key_repository": str(keys / "fernet")},
            "fernet_receipts": {"key_repository": str(keys / "fernet")},
            "credential": {"key_repository": str(keys / "credential")},
            "identity": {"password_hash_rounds": 4},  # The lowest bcrypt accepts: every service logs in at its start.
        },
    )


def _placement(places: Places, passwords: Passwords) -> ini.Sections:
    return ini.merge(
        _common("placement", places, passwords),
        token_check("placement", passwords),
        _database("placement_database", "placement", passwords),
        {"api": {"auth_strategy": "keystone"}},
    )


def _glance(places: Places, passwords: Passwords) -> ini.Sections:
    def store(name: str) -> dict[str, ini.Value]:
        return {"filesystem_store_datadir": str(places.images / name)}

    return ini.merge(
        _common("glance", places, passwords),
        token_check("glance", passwords),
        _database("database", "glance", passwords),
        {
            "DEFAULT": {"enabled_backends": "fs:file", "log_file": "glance-api.log"},
            "paste_deploy": {
                "flavor": "keystone",
                "config_file": str(places.venv / "etc/glance/glance-api-paste.ini"),
            },
            "glance_store": {"default_backend": "fs"},
            # All three are needed, or glance-api refuses to start.
            "fs": store("store"),
            "os_glance_staging_store": store("staging"),
            "os_glance_tasks_store": store("tasks"),
        },
    )


def _nova(places: Places, passwords: Passwords) -> ini.Sections:
    return ini.merge(
        _common("nova", places, passwords),
        token_check("nova", passwords),
        client("placement", "placement", passwords),
        client("neutron", "neutron", passwords),
        client("service_user", "nova", passwords),
        {
            "DEFAULT": {
                # Without 0 the first periodic discovery of compute hosts waits up to a minute.
                "periodic_fuzzy_delay": 0,
                "report_interval": REPORT_INTERVAL,
                "service_down_time": SERVICE_DOWN_TIME,
                "rpc_response_timeout": 20,
            },
            "api": {"auth_strategy": "keystone"},
            "service_user": {"send_service_user_token": True},
            "glance": {"region_name": endpoints.REGION},
            "vnc": {"enabled": False},
            "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 2},
            "conductor": {"workers": 1},
            "cinder": {"auth_type": "none"},  # There is none; without this each instance's volumes are looked up.
            "compute": {"live_migration_wait_for_vif_plug": False},  # No agent would ever report the plug.
            "filter_scheduler": {"track_instance_changes": False},
            "workarounds": {"never_download_image_if_on_rbd": False},
        },
    )


def _nova_control(places: Places, passwords: Passwords) -> ini.Sections:
    return ini.merge(
        _nova(places, passwords),
        _database("database", "nova", passwords),
        _database("api_database", "nova", passwords, "nova_api"),
        {"DEFAULT": {"host": endpoints.CONTROL_HOST, "my_ip": endpoints.ADDRESS}},
    )


def _nova_compute(host: Host, places: Places, passwords: Passwords) -> ini.Sections:
    state = places.nova_compute_state(host)
    return ini.merge(
        _nova(places, passwords),
        {
            "DEFAULT": {
                "host": host.name,
                "my_ip": host.address(MANAGEMENT),
                "compute_driver": COMPUTE_DRIVER,
                "state_path": str(state),
                "log_file": f"nova-compute-{host.name}.log",
            },
            "oslo_concurrency": {"lock_path": str(state / "lock")},
        },
    )


def _neutron(places: Places, passwords: Passwords) -> ini.Sections:
    return ini.merge(
        _common("neutron", places, passwords),
        token_check("neutron", passwords),
        client("nova", "nova", passwords),
        client("placement", "placement", passwords),
        _database("database", "neutron", passwords),
        {
            "DEFAULT": {
                "core_plugin": "ml2",
                "service_plugins": "",
                "auth_strategy": "keystone",
                "api_paste_config": str(places.venv / "etc/neutron/api-paste.ini"),
                "notify_nova_on_port_status_changes": True,
                "notify_nova_on_port_data_changes": True,
                "host": endpoints.CONTROL_HOST,
                "api_workers": 1,
                "rpc_workers": 0,  # There are no agents that would call.
            },
            "ml2": {
                "type_drivers": "flat,local",
                "tenant_network_types": "local",
                "mechanism_drivers": "minicloud_bind_anywhere",
                "extension_drivers": "port_security",
            },
        },
    )
