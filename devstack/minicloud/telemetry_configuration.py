"""What Gnocchi, Aodh and Ceilometer read.

Ceilometer runs two notification agents, so that publishing samples to Gnocchi never delays an alarm: the one for events
listens on the topic of the health events only, the one for samples on the ordinary topic. What is said about our own
event, meters and Gnocchi resource is not written here: `ceilo-gossip-ceilometer install` writes it, as it does in a
cloud of any size, and this module only names where.
"""

from typing import Final

import yaml

from ceilo_gossip.contract import messaging
from minicloud import endpoints, ini
from minicloud.configuration import credentials, token_check
from minicloud.passwords import Passwords, write_private
from minicloud.places import Places

EVALUATION_INTERVAL: Final = 10  # Of composite alarms, seconds; each evaluation costs 10 ms of a core an alarm.
POLLING_INTERVAL: Final = 10  # Of our pollster, seconds.
SACKS: Final = 8  # Gnocchi's default of 128 makes an idle metricd poll 128 directories each second.

# The broker may restart, and services may be down, while an event is on its way: queues outlive both. What speaks to
# the same queue must say the same, so this goes into our agents' configuration too.
DURABLE: Final[ini.Sections] = {"oslo_messaging_rabbit": {"amqp_durable_queues": True}}


def render_telemetry(places: Places, passwords: Passwords) -> None:
    """Write the files of the three services below the configuration directory."""
    etc = places.etc
    write_private(etc / "gnocchi" / "gnocchi.conf", ini.render(_gnocchi(places, passwords)))
    write_private(etc / "aodh" / "aodh.conf", ini.render(_aodh(places, passwords)))
    write_private(etc / "ceilometer" / "events.conf", ini.render(_events_agent(places, passwords)))
    write_private(etc / "ceilometer" / "samples.conf", ini.render(_samples_agent(places, passwords)))
    _copy_paste_file(places, "gnocchi", "gnocchi/rest/api-paste.ini")
    _copy_paste_file(places, "aodh", "aodh/api/api-paste.ini")
    _write_yaml(places, "event_pipeline.yaml", _pipeline("events", messaging.EVENT_TYPE_HEALTH, _TO_AODH))
    _write_yaml(places, "pipeline.yaml", _pipeline("meters", "*", _to_gnocchi(places)))
    _write_yaml(places, "polling.yaml", _POLLING)


def _copy_paste_file(places: Places, service: str, packaged: str) -> None:
    # The token filter in a paste file reads oslo.config's default files, whatever --config-file says; the packaged file
    # is therefore copied with the path of ours added to each filter.
    project = f"oslo_config_project = {service}"
    ours = f"oslo_config_file = {places.etc / service / service}.conf"
    text = (places.packages / packaged).read_text()
    write_private(places.etc / service / "api-paste.ini", text.replace(project, f"{project}\n{ours}"))


def _write_yaml(places: Places, name: str, content: object) -> None:
    write_private(places.etc / "ceilometer" / name, yaml.safe_dump(content, sort_keys=False))


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
            },
            "database": {"connection": passwords.database_url("aodh"), "max_pool_size": 4},
            "api": {"auth_mode": "keystone", "paste_config": str(places.etc / "aodh" / "api-paste.ini")},
            "evaluator": {"evaluation_interval": EVALUATION_INTERVAL, "workers": 1},
            "listener": {"workers": 1},
            "notifier": {"workers": 1},
        },
    )


def _ceilometer(places: Places, passwords: Passwords) -> ini.Sections:
    etc = places.etc / "ceilometer"
    return ini.merge(
        _service_credentials("ceilometer", passwords),
        DURABLE,
        {
            "DEFAULT": {
                "host": endpoints.CONTROL_HOST,
                "transport_url": passwords.transport_url,
                "log_dir": str(places.log),
                "pipeline_cfg_file": str(etc / "pipeline.yaml"),
                "event_pipeline_cfg_file": str(etc / "event_pipeline.yaml"),
            },
            "event": {"definitions_cfg_file": str(places.event_definitions)},
            # Naming a directory replaces the default, so the packaged one is named too; the first definition wins.
            "meter": {
                "meter_definitions_dirs": [
                    str(places.packages / "ceilometer/data/meters.d"),
                    str(places.meter_definitions),
                ]
            },
            "polling": {"cfg_file": str(etc / "polling.yaml")},
            "cache": {"enabled": True, "backend": "dogpile.cache.memory"},
        },
    )


def _events_agent(places: Places, passwords: Passwords) -> ini.Sections:
    return ini.merge(
        _ceilometer(places, passwords),
        {
            "notification": {
                "workers": 1,
                "pipelines": "event",
                "notification_control_exchanges": messaging.EXCHANGE,
            },
            "oslo_messaging_notifications": {"topics": messaging.EVENT_TOPIC},
        },
    )


def _samples_agent(places: Places, passwords: Passwords) -> ini.Sections:
    return ini.merge(
        _ceilometer(places, passwords),
        {
            "notification": {
                "workers": 1,
                "pipelines": "meter",
                "notification_control_exchanges": [messaging.EXCHANGE, "ceilometer"],
            },
            "oslo_messaging_notifications": {"topics": messaging.SAMPLE_TOPIC},
        },
    )


_TO_AODH: Final = "notifier://?topic=alarm.all"


def _to_gnocchi(places: Places) -> str:
    return f"gnocchi://?enable_filter_project=false&resources_definition_file={places.gnocchi_resources}"


def _pipeline(kind: str, names: str, publisher: str) -> dict[str, object]:
    return {
        "sources": [{"name": "source", kind: [names], "sinks": ["sink"]}],
        "sinks": [{"name": "sink", "publishers": [publisher]}],
    }


_POLLING: Final = {"sources": [{"name": "hosts", "interval": POLLING_INTERVAL, "meters": ["compute.host.*"]}]}
