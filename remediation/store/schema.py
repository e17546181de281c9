"""The tables of the incident database, as the newest migration leaves them.

Wall-clock instants are ISO 8601 texts: people read them, nothing compares them. Lengths are bounded for MySQL, where
an index over utf8mb4 takes at most 3072 bytes.
"""

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()
HOST_LENGTH: Final = 255
INSTANT_LENGTH: Final = 40
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts only INTEGER PRIMARY KEY up by itself.

INCIDENT: Final = sa.Table(
    "incident",
    METADATA,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),  # The order in which they were opened.
    sa.Column("incident_id", sa.String(36), nullable=False, unique=True),
    sa.Column("host", sa.String(HOST_LENGTH), nullable=False),
    # The host while the incident is open, else NULL: a unique index then allows one open incident for each host.
    sa.Column("open_host", sa.String(HOST_LENGTH), nullable=True, unique=True),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("row_name", sa.String(255), nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("lost", sa.String(64), nullable=False),
    sa.Column("opened_at", sa.String(INSTANT_LENGTH), nullable=False),
    sa.Column("changed_at", sa.String(INSTANT_LENGTH), nullable=False),
    sa.Column("evidence_method", sa.String(255), nullable=True),
    sa.Column("evidence_text", sa.Text, nullable=True),
    sa.Column("evidence_at", sa.String(INSTANT_LENGTH), nullable=True),
    sa.Column("is_forced_down", sa.Boolean, nullable=False),
    sa.Column("is_approved", sa.Boolean, nullable=False),
    sa.Column("wish", sa.String(16), nullable=True),
    sa.Column("call_count", sa.Integer, nullable=False),
    sa.Column("lease_owner", sa.String(255), nullable=True),
    sa.Column("lease_beat", sa.BigInteger, nullable=False),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)

CALL: Final = sa.Table(
    "call_received",  # CALL is a reserved word in MySQL.
    METADATA,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("call_id", sa.String(255), nullable=False),
    sa.Column("message_id", sa.String(255), nullable=False, unique=True),
    sa.Column("incident_id", sa.String(36), sa.ForeignKey("incident.incident_id"), nullable=False, index=True),
    sa.Column("alarm_id", sa.String(255), nullable=False),
    sa.Column("alarm_name", sa.String(255), nullable=False),
    sa.Column("row_name", sa.String(255), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),  # The verdict, as the contract writes it, in JSON.
    sa.Column("event_generated", sa.String(INSTANT_LENGTH), nullable=False),
    sa.Column("received_at", sa.String(INSTANT_LENGTH), nullable=False),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)

TIMELINE: Final = sa.Table(
    "timeline",
    METADATA,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("incident_id", sa.String(36), sa.ForeignKey("incident.incident_id"), nullable=False, index=True),
    sa.Column("at", sa.String(INSTANT_LENGTH), nullable=False),
    sa.Column("stage", sa.String(32), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)

INSTANCE: Final = sa.Table(
    "instance",
    METADATA,
    sa.Column("incident_id", sa.String(36), sa.ForeignKey("incident.incident_id"), primary_key=True),
    sa.Column("instance_id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("status_before", sa.String(32), nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("destination", sa.String(HOST_LENGTH), nullable=False),
    sa.Column("accepted_at", sa.String(INSTANT_LENGTH), nullable=False),
    sa.Column("active_at", sa.String(INSTANT_LENGTH), nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)

# (host, driver, device) stays below MySQL's 3072 bytes: a device is a name of 253 letters, a port, an id of 128.
IDENTITY: Final = sa.Table(
    "fencing_identity",
    METADATA,
    sa.Column("host", sa.String(HOST_LENGTH), primary_key=True),
    sa.Column("driver", sa.String(32), primary_key=True),
    sa.Column("device", sa.String(400), primary_key=True),
    sa.Column("guid", sa.String(36), nullable=False),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)
