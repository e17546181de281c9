"""The incident commands of remediation-manage: list, show, approve, close."""

import argparse
import dataclasses
import datetime
import getpass
import itertools
import json
from collections.abc import Sequence
from typing import Any

import rich.table
import rich.text
from oslo_config import cfg

from remediation.cmd import console
from remediation.conf import load
from remediation.incident.incident import Incident, InstanceRecord
from remediation.incident.timeline import Entry
from remediation.store.store import Store


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """One line of a timeline with the seconds that passed since the one before it, and since the first."""

    entry: Entry
    since_previous: float
    since_first: float


def list_incidents(options: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Print the incidents, the newest first."""
    incidents = _store(conf).list_incidents(is_open_only=options.is_open_only)
    if options.format == "json":
        print(json.dumps([dataclasses.asdict(incident) for incident in incidents], indent=2))
        return 0
    headings = ("id", "host", "state", "lost", "row", "action", "opened", "calls", "reason")
    table = console.make_table(*headings, right=("calls",))
    for one in incidents:
        row = (one.incident_id, one.host, one.state, one.lost, one.row, one.action, one.opened_at, one.call_count)
        table.add_row(*map(str, row), rich.text.Text(one.reason))
    console.show(table)
    return 0


def show_incident(options: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Print one incident: what it is, its timeline, its instances."""
    store = _store(conf)
    incident = store.get_incident(options.id)
    moments = measured(store.timeline(options.id))
    records = store.records(options.id)
    if options.format == "json":
        print(json.dumps(as_document(incident, moments, records), indent=2))
        return 0
    console.show(_facts(incident), _timeline(moments), *([_instances(records)] if records else []))
    return 0


def approve_incident(options: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Ask the engine to go on although a guard holds, or to try again now."""
    _store(conf).approve(options.id, at=_now(), by=getpass.getuser())
    print("approved; the engine goes on with its next look")
    return 0


def close_incident(options: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Ask the engine to do nothing more about it."""
    _store(conf).close(options.id, at=_now(), by=getpass.getuser())
    print("the engine closes it with its next look")
    return 0


def measured(entries: Sequence[Entry]) -> list[Moment]:
    """Return the timeline in the order of its wall-clock instants, with the seconds between them.

    They come from several hosts' clocks: what people read, and nothing that a decision uses.
    """
    dated = sorted(((datetime.datetime.fromisoformat(entry.at), entry) for entry in entries), key=lambda pair: pair[0])
    moments: list[Moment] = []
    for previous, (at, entry) in zip(itertools.chain([None], dated), dated, strict=False):
        before = at if previous is None else previous[0]
        moments.append(Moment(entry, (at - before).total_seconds(), (at - dated[0][0]).total_seconds()))
    return moments


def as_document(incident: Incident, moments: Sequence[Moment], records: Sequence[InstanceRecord]) -> dict[str, Any]:
    """Return everything about an incident, for JSON."""
    return {
        **dataclasses.asdict(incident),
        "timeline": [
            {
                "at": moment.entry.at,
                "stage": str(moment.entry.stage),
                "text": moment.entry.text,
                "since_previous": moment.since_previous,
                "since_first": moment.since_first,
            }
            for moment in moments
        ],
        "instances": [dataclasses.asdict(record) for record in records],
    }


def _facts(incident: Incident) -> rich.table.Table:
    table = rich.table.Table(box=None, show_header=False)
    table.add_column(style="bold")
    evidence = incident.evidence
    for name, value in (
        ("incident", incident.incident_id),
        ("host", incident.host),
        ("state", incident.state),
        ("lost", incident.lost),
        ("row", incident.row or "not confirmed yet"),
        ("action", incident.action or "-"),
        ("reason", incident.reason),
        ("opened", incident.opened_at),
        ("changed", incident.changed_at),
        ("evidence of fencing", f"{evidence.method}: {evidence.text} ({evidence.at})" if evidence else "none"),
        ("calls", incident.call_count),
    ):
        table.add_row(name, rich.text.Text(str(value)))
    return table


def _timeline(moments: Sequence[Moment]) -> rich.table.Table:
    table = console.make_table("at", "after", "total", "stage", "what", right=("after", "total"))
    for moment in moments:
        table.add_row(
            moment.entry.at,
            f"+{moment.since_previous:.3f} s",
            f"{moment.since_first:.3f} s",
            str(moment.entry.stage),
            rich.text.Text(moment.entry.text),
        )
    return table


def _instances(records: Sequence[InstanceRecord]) -> rich.table.Table:
    headings = ("instance", "name", "before", "phase", "attempts", "destination", "active", "reason")
    table = console.make_table(*headings, right=("attempts",))
    for one in records:
        row = (one.status_before, one.phase, one.attempts, one.destination, one.active_at)
        table.add_row(one.instance_id, rich.text.Text(one.name), *map(str, row), rich.text.Text(one.reason))
    return table


def _store(conf: cfg.ConfigOpts) -> Store:
    return Store.open(load.database_settings(conf).connection)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()
