"""What was collected, and what is to be erased."""

import sqlalchemy as sa
from alembic import op

from services.chassis.database import UtcDateTime

revision = "registry_0008"
down_revision = "registry_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("versions", sa.Column("collected_at", UtcDateTime(), nullable=True))
    op.create_table(
        "erasures",
        sa.Column("path", sa.String(), primary_key=True),
        sa.Column("keep_record", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_versions_model_id", "versions", ["model_id"])
    deleted = sa.text("stage = 'deleted'")
    op.create_index("ix_runs_deleted", "runs", ["id"], sqlite_where=deleted, postgresql_where=deleted)
