"""Merges our Ceilometer definitions into copies of Ceilometer's own.

Lists are merged by the name of their entries: ours replace those of the same name, so that merging twice, or merging
into what was merged before, gives the same files. Comments of the originals do not survive in the copies.
"""

import importlib.util
import pathlib
import sys
from collections.abc import Callable
from typing import Any, Final

import yaml

from ceilo_gossip.contract.messaging import EVENT_TOPIC, EXCHANGE, SAMPLE_TOPIC

_PLACEHOLDER: Final = "@GNOCCHI_RESOURCES@"
_SHARE: Final = "share/ceilo-gossip/ceilometer"
# Below ceilometer's package; None where it ships none.
_SHIPPED: Final = {
    "event_definitions.yaml": "pipeline/data/event_definitions.yaml",
    "event_pipeline.yaml": "pipeline/data/event_pipeline.yaml",
    "pipeline.yaml": "pipeline/data/pipeline.yaml",
    "polling.yaml": None,
}
_DEFAULT_EXCHANGES: Final = ("nova", "glance", "neutron", "cinder", "heat", "keystone", "ceilometer")


class InstallError(Exception):
    """The definitions could not be installed; the text names the file and the remedy."""


def find_definitions(given: pathlib.Path | None) -> pathlib.Path:
    """Return the directory of our own definition files: `given`, the packaged one, or that of the source tree."""
    source = pathlib.Path(__file__).resolve().parents[2] / "etc" / "ceilometer"
    candidates = (
        [given] if given is not None else [pathlib.Path(sys.prefix) / _SHARE, pathlib.Path("/usr") / _SHARE, source]
    )
    for candidate in candidates:
        if (candidate / "event_definitions.yaml").is_file():
            return candidate
    raise InstallError(f"no event_definitions.yaml in {', '.join(map(str, candidates))}; give --definitions DIR")


def install(
    definitions: pathlib.Path, ceilometer_etc: pathlib.Path, output: pathlib.Path, gnocchi_url: str
) -> list[pathlib.Path]:
    """Write the merged files below `output` and return their paths; InstallError if that cannot be done."""
    if output.resolve() == ceilometer_etc.resolve():
        raise InstallError(f"--output {output} is Ceilometer's own directory, whose files are not to be overwritten")
    resources = output.resolve() / "gnocchi_resources.yaml"
    separator = "&" if "?" in gnocchi_url else "?"
    publisher = f"{gnocchi_url}{separator}resources_definition_file={resources}"
    files = {
        name: _dump(_merged(name, definitions, ceilometer_etc, publisher), name, ceilometer_etc) for name in _SHIPPED
    }
    for name in ("gnocchi_resources.yaml", "meters.d/ceilo_gossip.yaml"):
        files[name] = _read(definitions / name)
    files |= _agent_files(output.resolve())
    try:
        for name, text in files.items():
            path = output / name
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            new.write_text(text, "utf-8")
            new.replace(path)
    except OSError as error:
        raise InstallError(f"{error}; give an --output directory that may be written") from error
    return [output / name for name in files]


def merge_definitions(own: Any, ours: Any) -> list[Any]:
    """Return the list of event definitions `own` with `ours` at its end, where the last match wins."""
    types = [entry["event_type"] for entry in ours]
    return [*(entry for entry in own or [] if entry.get("event_type") not in types), *ours]


def merge_pipeline(own: Any, ours: Any) -> dict[str, Any]:
    """Return the pipeline or polling file `own` with the sources and sinks of `ours`."""
    merged = dict(own or {})
    for part, entries in ours.items():
        names = [entry["name"] for entry in entries]
        merged[part] = [entry for entry in merged.get(part) or [] if entry.get("name") not in names] + entries
    return merged


def _merged(name: str, definitions: pathlib.Path, ceilometer_etc: pathlib.Path, publisher: str) -> Any:
    template = _read(definitions / name)
    ours = yaml.safe_load(template.replace(f"gnocchi://?resources_definition_file={_PLACEHOLDER}", publisher))
    merge: Callable[[Any, Any], Any] = merge_definitions if name == "event_definitions.yaml" else merge_pipeline
    own_path = ceilometer_etc / name
    try:
        return merge(yaml.safe_load(_own_text(name, own_path)), ours)
    except (yaml.YAMLError, AttributeError, ValueError, TypeError, KeyError) as error:
        raise InstallError(
            f"{own_path} is not a file of Ceilometer's ({error}); correct it, or name another"
        ) from error


def _own_text(name: str, path: pathlib.Path) -> str:
    if path.is_file():
        return _read(path)
    shipped = _SHIPPED[name]
    if shipped is None:
        return ""
    spec = importlib.util.find_spec("ceilometer")
    if spec is None or spec.origin is None:
        raise InstallError(f"{path} is missing and Ceilometer is not installed here; give its --ceilometer-etc DIR")
    return _read(pathlib.Path(spec.origin).parent / shipped)


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InstallError(f"{path} cannot be read: {error}") from error


def _dump(content: Any, name: str, ceilometer_etc: pathlib.Path) -> str:
    head = f"# Made by `ceilo-gossip-ceilometer install` from {ceilometer_etc / name} and our own; do not edit.\n"
    return head + "---\n" + str(yaml.safe_dump(content, sort_keys=False, width=120))


def _agent_files(output: pathlib.Path) -> dict[str, str]:
    """The configuration of Ceilometer's agents: to be given to them as a second --config-file."""
    exchanges = "".join(f"notification_control_exchanges = {name}\n" for name in (*_DEFAULT_EXCHANGES, EXCHANGE))
    events = f"""\
# For a ceilometer-agent-notification of its own, so that publishing samples never delays an alarm:
#   ceilometer-agent-notification --config-file /etc/ceilometer/ceilometer.conf --config-file {output}/events.conf
[DEFAULT]
event_pipeline_cfg_file = {output}/event_pipeline.yaml
[event]
definitions_cfg_file = {output}/event_definitions.yaml
[notification]
pipelines = event
notification_control_exchanges = {EXCHANGE}
[oslo_messaging_notifications]
topics = {EVENT_TOPIC}
[oslo_messaging_rabbit]
amqp_durable_queues = true
"""
    samples = f"""\
# For the ordinary ceilometer-agent-notification. The queues of [oslo_messaging_rabbit] amqp_durable_queues must be the
# same here as in the agents' ceilo-gossip.conf.
[DEFAULT]
pipeline_cfg_file = {output}/pipeline.yaml
[meter]
# Naming a directory replaces the default, so the packaged one is named too; the first definition of a meter wins.
meter_definitions_dirs = {_packaged_meters()}
meter_definitions_dirs = {output}/meters.d
[notification]
{exchanges}[oslo_messaging_notifications]
topics = {SAMPLE_TOPIC}
"""
    polling = f"""\
# For ceilometer-polling --polling-namespaces central.
[polling]
cfg_file = {output}/polling.yaml
[ceilo_gossip]
# The hosts whose agents are asked, in this order; one answers for the whole pool.
agents =
"""
    return {"events.conf": events, "samples.conf": samples, "polling.conf": polling}


def _packaged_meters() -> str:
    spec = importlib.util.find_spec("ceilometer")
    if spec is None or spec.origin is None:
        return "/etc/ceilometer/meters.d"
    return str(pathlib.Path(spec.origin).parent / "data" / "meters.d")
