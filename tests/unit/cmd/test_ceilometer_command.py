"""Ceilometer's files are copied and added to, never overwritten; Ceilometer itself reads the result."""

import datetime
import pathlib
from typing import Any

import pytest
import yaml
from ceilometer.event import converter
from ceilometer.meter import notifications
from ceilometer.publisher import gnocchi as publisher
from oslo_config import cfg
from stevedore import extension

from ceilo_gossip.cmd import ceilometer as command
from ceilo_gossip.cmd.ceilometer_files import find_definitions, merge_definitions, merge_pipeline
from ceilo_gossip.cmd.gnocchi import GnocchiError, create, make_session
from ceilo_gossip.contract.messaging import EVENT_TYPE_HEALTH, GNOCCHI_RESOURCE_TYPE, resource_id
from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.contract.verdict import Verdict, from_payload, to_payload
from ceilo_gossip.report.figures import Figure, meter_names, to_sample_payloads

INSTANT = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC).isoformat()
DEFINITIONS = find_definitions(None)


def verdict() -> Verdict:
    return Verdict(
        verdict_id="run-7",
        sequence=7,
        repeat=2,
        host="cmp-1",
        speaker="ctl-1",
        networks=dict.fromkeys(Network, NetworkState.DOWN),
        conditions=frozenset(),
        since=INSTANT,
        first_suspicion_at=None,
        concluded_at=INSTANT,
        reason="storage DOWN: no answer",
        boot_id="b1",
        role="compute",
    )


@pytest.fixture
def output(tmp_path: pathlib.Path) -> pathlib.Path:
    assert command.main(["install", "--ceilometer-etc", str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def ceilometer_conf() -> Any:
    from ceilometer import opts

    conf = cfg.ConfigOpts()
    for group, options in opts.list_opts():
        conf.register_opts(list(options), group=None if group == "DEFAULT" else group)
    conf([], project="ceilometer")
    return conf


def test_verdict_can_be_rebuilt_from_the_traits_that_ceilometer_makes(output: pathlib.Path) -> None:
    merged = yaml.safe_load((output / "event_definitions.yaml").read_text())
    # Ours only: Ceilometer compiles each path of each definition, and its own take it twenty seconds.
    definitions = [entry for entry in merged if entry["event_type"] == EVENT_TYPE_HEALTH]
    assert definitions == merged[-1:]  # The last match wins.
    plugins = extension.ExtensionManager(namespace="ceilometer.event.trait_plugin")
    events = converter.NotificationEventsConverter(ceilometer_conf(), definitions, plugins)
    event = events.to_event(
        "info",
        {
            "event_type": "compute.host.health",
            "payload": to_payload(verdict(), project_id="p1"),
            "metadata": {"message_id": "m", "timestamp": "2026-01-31 12:00:00"},
            "publisher_id": "ceilo-gossip.ctl-1",
            "ctxt": {},
        },
    )
    traits = {trait.name: trait.value for trait in event.traits}
    assert from_payload(traits) == verdict()
    assert traits["project_id"] == "p1"


def test_ceilometer_makes_a_sample_of_each_figure(output: pathlib.Path) -> None:
    conf = ceilometer_conf()
    conf.set_override("meter_definitions_dirs", [str(output / "meters.d")], group="meter")
    endpoint = notifications.ProcessMeterNotifications(conf, None)
    figures = [Figure("cmp-1", kind, network, 0.5) for kind, network in [name_parts(n) for n in meter_names()]]
    payload = to_sample_payloads(figures, speaker="ctl-1", project_id="p1")["cmp-1"]
    samples = list(
        endpoint.build_sample(
            {
                "event_type": "compute.host.sample",
                "payload": payload,
                "metadata": {"message_id": "m", "timestamp": "2026-01-31 12:00:00"},
                "publisher_id": "ceilo-gossip.ctl-1",
                "ctxt": {},
            }
        )
    )
    assert {s.name for s in samples} == set(meter_names())
    assert {(s.volume, s.resource_id, s.project_id) for s in samples} == {(0.5, resource_id("cmp-1"), "p1")}
    assert all(s.resource_metadata["host_name"] == "cmp-1" for s in samples)


def name_parts(meter: str) -> tuple[str, Network]:
    kind, _, network = meter.rpartition(".")
    return kind, Network(network)


def test_every_meter_has_a_place_in_gnocchi() -> None:
    content = yaml.safe_load((DEFINITIONS / "gnocchi_resources.yaml").read_text())
    [resource] = content["resources"]
    assert resource["resource_type"] == GNOCCHI_RESOURCE_TYPE
    assert set(resource["metrics"]) == set(meter_names())
    assert publisher.ResourcesDefinition(
        resource, content["archive_policy_default"], {"ceilo-gossip": content["archive_policies"][0]}, None
    )


def test_installing_twice_or_onto_the_result_changes_nothing(output: pathlib.Path, tmp_path: pathlib.Path) -> None:
    again = tmp_path / "again"
    assert command.main(["install", "--ceilometer-etc", str(output), "--output", str(again)]) == 0
    for name in ("event_definitions.yaml", "event_pipeline.yaml", "polling.yaml"):
        assert yaml.safe_load((again / name).read_text()) == yaml.safe_load((output / name).read_text())


def test_own_entries_of_ceilometer_stay(tmp_path: pathlib.Path) -> None:
    own = tmp_path / "polling.yaml"
    text = "sources: [{name: mine, interval: 300, meters: [cpu]}]\n"
    own.write_text(text)
    assert command.main(["install", "--ceilometer-etc", str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    assert own.read_text() == text
    merged = yaml.safe_load((tmp_path / "out" / "polling.yaml").read_text())
    assert [source["name"] for source in merged["sources"]] == ["mine", "ceilo_gossip_pollsters"]


def test_ceilometers_own_directory_is_no_output(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["install", "--ceilometer-etc", str(tmp_path), "--output", str(tmp_path / ".")]) == 1
    assert "not to be overwritten" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["sources: [1]", "just words", "sources: {a: b}", "a: [", "[1]"])
def test_file_that_is_none_of_ceilometers_is_named(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "polling.yaml").write_text(text)
    assert command.main(["install", "--ceilometer-etc", str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    assert "polling.yaml" in capsys.readouterr().err


def test_path_of_our_resources_joins_the_publishers_options(tmp_path: pathlib.Path) -> None:
    url = "gnocchi://?enable_filter_project=false"
    arguments = ["--ceilometer-etc", str(tmp_path), "--output", str(tmp_path / "out"), "--gnocchi-url", url]
    assert command.main(["install", *arguments]) == 0
    pipeline = yaml.safe_load((tmp_path / "out" / "pipeline.yaml").read_text())
    expected = f"{url}&resources_definition_file={tmp_path}/out/gnocchi_resources.yaml"
    assert pipeline["sinks"][-1]["publishers"] == [expected]


def test_merging_replaces_entries_of_the_same_name() -> None:
    assert merge_definitions([{"event_type": "a", "x": 1}, {"event_type": "b"}], [{"event_type": "a"}]) == [
        {"event_type": "b"},
        {"event_type": "a"},
    ]
    merged = merge_pipeline({"sources": [{"name": "a", "x": 1}], "other": 1}, {"sources": [{"name": "a"}]})
    assert merged == {"sources": [{"name": "a"}], "other": 1}


class FakeGnocchi:
    """Answers each POST with `code` and remembers it."""

    def __init__(self, code: int) -> None:
        self.status_code = code
        self.text = "why"
        self.posted: dict[str, Any] = {}

    def post(self, path: str, *, json: Any, raise_exc: bool) -> "FakeGnocchi":
        self.posted[path] = json
        return self


def test_gnocchi_is_told_of_the_policy_and_the_type() -> None:
    gnocchi = FakeGnocchi(201)
    lines = list(create(gnocchi, DEFINITIONS))
    assert lines == ["archive policy ceilo-gossip: created", "resource type compute_host_ha: created"]
    policy = gnocchi.posted["/v1/archive_policy"]
    assert policy["definition"][0] == {"granularity": 1, "timespan": 3600}
    assert gnocchi.posted["/v1/resource_type"]["name"] == GNOCCHI_RESOURCE_TYPE


def test_what_gnocchi_has_already_is_no_error() -> None:
    assert all("already" in line for line in create(FakeGnocchi(409), DEFINITIONS))


def test_refusal_of_gnocchi_is_told() -> None:
    with pytest.raises(GnocchiError, match="403 why"):
        list(create(FakeGnocchi(403), DEFINITIONS))


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OS_PASSWORD", raising=False)
    with pytest.raises(GnocchiError, match="OS_PASSWORD"):
        make_session()
