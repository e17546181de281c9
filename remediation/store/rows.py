"""Database rows to the incident's dataclasses and back; no query is made here."""

import json
from typing import Any

import sqlalchemy as sa

from ceilo_gossip.contract import verdict as contract
from remediation.incident.call import Call
from remediation.incident.evidence import Evidence
from remediation.incident.incident import Incident, InstanceRecord, Phase, Wish
from remediation.incident.states import State


def incident_from(row: sa.Row[Any]) -> Incident:
    """Return the incident of one row of the table `incident`."""
    evidence = None
    if row.evidence_method is not None:
        evidence = Evidence(method=row.evidence_method, text=row.evidence_text, at=row.evidence_at)
    return Incident(
        incident_id=row.incident_id,
        host=row.host,
        state=State(row.state),
        row=row.row_name,
        action=row.action,
        reason=row.reason,
        lost=row.lost,
        opened_at=row.opened_at,
        changed_at=row.changed_at,
        evidence=evidence,
        is_forced_down=row.is_forced_down,
        is_approved=row.is_approved,
        wish=Wish(row.wish) if row.wish else None,
        call_count=row.call_count,
    )


def columns_of(incident: Incident) -> dict[str, Any]:
    """Return the columns that an engine writes; calls, wishes and leases belong to others."""
    evidence = incident.evidence
    return {
        "open_host": incident.host if incident.is_open else None,
        "state": str(incident.state),
        "row_name": incident.row,
        "action": incident.action,
        "reason": incident.reason,
        "changed_at": incident.changed_at,
        "evidence_method": evidence.method if evidence else None,
        "evidence_text": evidence.text if evidence else None,
        "evidence_at": evidence.at if evidence else None,
        "is_forced_down": incident.is_forced_down,
        "is_approved": incident.is_approved,
    }


def call_columns(call: Call, incident_id: str) -> dict[str, Any]:
    """Return the row of the table `call_received` for `call`."""
    return {
        "call_id": call.call_id,
        "message_id": call.message_id,
        "incident_id": incident_id,
        "alarm_id": call.alarm_id,
        "alarm_name": call.alarm_name,
        "row_name": call.row,
        "payload": json.dumps(contract.to_payload(call.verdict, project_id=""), sort_keys=True),
        "event_generated": call.event_generated,
        "received_at": call.received_at,
    }


def call_from(row: sa.Row[Any]) -> Call:
    """Return the call of one row of the table `call_received`."""
    return Call(
        call_id=row.call_id,
        alarm_id=row.alarm_id,
        alarm_name=row.alarm_name,
        row=row.row_name,
        verdict=contract.from_payload(json.loads(row.payload)),
        event_generated=row.event_generated,
        received_at=row.received_at,
        message_id=row.message_id,
    )


def record_from(row: sa.Row[Any]) -> InstanceRecord:
    """Return the instance record of one row of the table `instance`."""
    return InstanceRecord(
        instance_id=row.instance_id,
        name=row.name,
        status_before=row.status_before,
        phase=Phase(row.phase),
        attempts=row.attempts,
        reason=row.reason,
        destination=row.destination,
        accepted_at=row.accepted_at,
        active_at=row.active_at,
        plan=row.plan,
    )


def record_columns(record: InstanceRecord) -> dict[str, Any]:
    """Return the row of the table `instance`, its keys aside."""
    return {
        "name": record.name,
        "status_before": record.status_before,
        "phase": str(record.phase),
        "attempts": record.attempts,
        "reason": record.reason,
        "destination": record.destination,
        "accepted_at": record.accepted_at,
        "active_at": record.active_at,
        "plan": record.plan,
    }
