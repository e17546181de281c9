"""Which machine each host's fencing device said it belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "fencing_identity",
        sa.Column("host", sa.String(255), primary_key=True),
        sa.Column("driver", sa.String(32), primary_key=True),
        sa.Column("device", sa.String(400), primary_key=True),
        sa.Column("guid", sa.String(36), nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
