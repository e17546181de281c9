"""What Gnocchi, Aodh and Ceilometer read.

Ceilometer runs two notification agents, so that publishing samples to Gnocchi never delays an alarm: the one for events
listens on the topic of the health events only, the one for samples on the ordinary topic. What makes them so, our
event, meters and pipelines, is not written here: `ceilo-gossip-ceilometer install` writes it, as it does in a cloud of
any size, and each agent reads its part of it as a second configuration file.
"""

from typing import Final

import yaml

from minicloud import endpoints, ini
from minicloud.configuration import DURABLE, credentials, token_check
from minicloud.passwords import Passwords, write_private
from minicloud.places import Places

EVALUATION_INTERVAL: Final = 10  # Of composite alarms, seconds; each evaluation costs 10 ms of a core an alarm.
SACKS: Final = 8  # Gnocchi's default of 128 makes an idle metricd poll 128 directories each second.


def render_telemetry(places: Places, passwords: Passwords) -> None:
    """Write the files of the three services below the configuration directory."""
    etc = places.etc
    write_private(etc / "gnocchi" / "gnocchi.conf", ini.render(_gnocchi(places, passwords)))
    write_private(etc / "aodh" / "aodh.conf", ini.render(_aodh(places, passwords)))
    write_private(etc / "ceilometer" / "ceilometer.conf", ini.render(_ceilometer(places, passwords)))
    _copy_paste_file(places, "gnocchi", "gnocchi/rest/api-paste.ini")
    _copy_paste_file(places, "aodh", "aodh/api/api-paste.ini")
    write_private(etc / "ceilometer" / "polling.conf", ini.render({"ceilo_gossip": {"agents": _witnesses(places)}}))
    for name, content in _OWN_DEFINITIONS.items():
        write_private(places.own_definitions / name, yaml.safe_dump(content))


def _copy_paste_file(places: Places, service: str, packaged: str) -> None:
    # The token filter in a paste file reads oslo.config's default files, whatever --config-file says; the packaged file
    # is therefore copied with the path of ours added to each filter.
    project = f"oslo_config_project = {service}"
    ours = f"oslo_config_file = {places.etc / service / service}.conf"
    text = (places.packages / packaged).read_text()
    write_private(places.etc / service / "api-paste.ini", text.replace(project, f"{project}\n{ours}"))


def _witnesses(places: Places) -> str:
    return ",".join(host.name for host in places.controllers)


def _service_credentials(user: str, passwords: Passwords) -> ini.Sections:
    return ini.merge(
        credentials("service_credentials", user, passwords), {"service_credentials": {"interface": "internal"}}
    )


def _gnocchi(places: Places, passwords: Passwords) -> ini.Sections:
    files: ini.Sections = {
        "storage": {"driver": "file", "file_basepath": str(places.gnocchi)},
        "incoming": {"driver": "file", "file_basepath": str(places.gnocchi)},
    }
    return ini.merge(
        token_check("gnocchi", passwords),
        files,
        {
            "DEFAULT": {
                "parallel_operations": 2,
                # The default, the indexer, opens a database connection for each lock: 79 % of a core when idle.
                "coordination_url": f"file://{places.state / 'gnocchi-coordination'}",
                "log_dir": str(places.log),
            },
            "api": {"auth_mode": "keystone", "paste_config": str(places.etc / "gnocchi" / "api-paste.ini")},
            "indexer": {"url": passwords.database_url("gnocchi")},
            "metricd": {"workers": 1, "metric_processing_delay": 1, "greedy": True},
        },
    )


def _aodh(places: Places, passwords: Passwords) -> ini.Sections:
    return ini.merge(
        _service_credentials("aodh", passwords),
        token_check("aodh", passwords),
        DURABLE,
        {
            "DEFAULT": {
                "transport_url": passwords.transport_url,
                "log_dir": str(places.log),
                # The default keeps a new alarm blind, and a deleted one firing, for a minute.
                "event_alarm_cache_ttl": 0,
                "rest_notifier_ca_bundle_certificate_path": str(places.webhook_certificate),
                # At INFO the notifier logs each URL that it calls, and with it the webhook's password.
                "default_log_levels": "amqp=WARN,keystonemiddleware=WARN,aodh.notifier.rest=WARN",
            },
            "database": {"connection": passwords.database_url("aodh"), "max_pool_size": 4},
            "api": {"auth_mode": "keystone", "paste_config": str(places.etc / "aodh" / "api-paste.ini")},
            "evaluator": {"evaluation_interval": EVALUATION_INTERVAL, "workers": 1},
            "listener": {"workers": 1},
            "notifier": {"workers": 1},
        },
    )


def _ceilometer(places: Places, passwords: Passwords) -> ini.Sections:
    return ini.merge(
        _service_credentials("ceilometer", passwords),
        DURABLE,
        {
            "DEFAULT": {
                "host": endpoints.CONTROL_HOST,
                "transport_url": passwords.transport_url,
                "log_dir": str(places.log),
            },
            "notification": {"workers": 1},
            "cache": {"enabled": True, "backend": "dogpile.cache.memory"},
        },
    )


# Nothing but ceilo-gossip is measured here, so the files that ours are merged into are empty.
_PIPELINE: Final[dict[str, list[object]]] = {"sources": [], "sinks": []}
_OWN_DEFINITIONS: Final[dict[str, object]] = {
    "event_definitions.yaml": [],
    "event_pipeline.yaml": _PIPELINE,
    "pipeline.yaml": _PIPELINE,
    "polling.yaml": {"sources": []},
}
