"""The first tables: incidents, the calls that opened them, their instances and timelines."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A migration is history: it does not import the schema, which goes on changing.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "incident",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("incident_id", sa.String(36), nullable=False, unique=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("open_host", sa.String(255), nullable=True, unique=True),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("row_name", sa.String(255), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("lost", sa.String(64), nullable=False),
        sa.Column("opened_at", sa.String(40), nullable=False),
        sa.Column("changed_at", sa.String(40), nullable=False),
        sa.Column("evidence_method", sa.String(255), nullable=True),
        sa.Column("evidence_text", sa.Text, nullable=True),
        sa.Column("evidence_at", sa.String(40), nullable=True),
        sa.Column("is_forced_down", sa.Boolean, nullable=False),
        sa.Column("is_approved", sa.Boolean, nullable=False),
        sa.Column("wish", sa.String(16), nullable=True),
        sa.Column("call_count", sa.Integer, nullable=False),
        sa.Column("lease_owner", sa.String(255), nullable=True),
        sa.Column("lease_beat", sa.BigInteger, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "call_received",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("call_id", sa.String(255), nullable=False),
        sa.Column("message_id", sa.String(255), nullable=False, unique=True),
        sa.Column("incident_id", sa.String(36), sa.ForeignKey("incident.incident_id"), nullable=False),
        sa.Column("alarm_id", sa.String(255), nullable=False),
        sa.Column("alarm_name", sa.String(255), nullable=False),
        sa.Column("row_name", sa.String(255), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("event_generated", sa.String(40), nullable=False),
        sa.Column("received_at", sa.String(40), nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_index("ix_call_received_incident_id", "call_received", ["incident_id"])
    op.create_table(
        "timeline",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("incident_id", sa.String(36), sa.ForeignKey("incident.incident_id"), nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("stage", sa.String(32), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_index("ix_timeline_incident_id", "timeline", ["incident_id"])
    op.create_table(
        "instance",
        sa.Column("incident_id", sa.String(36), sa.ForeignKey("incident.incident_id"), primary_key=True),
        sa.Column("instance_id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("status_before", sa.String(32), nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("destination", sa.String(255), nullable=False),
        sa.Column("accepted_at", sa.String(40), nullable=False),
        sa.Column("active_at", sa.String(40), nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
