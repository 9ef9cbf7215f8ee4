"""What pipelines want precomputed, and what was."""

import sqlalchemy as sa
from alembic import op

from services.chassis.database import JsonDocument, UtcDateTime

revision = "serving_0002"
down_revision = "serving_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "precompute_plans",
        sa.Column("pipeline", sa.String(), primary_key=True),
        sa.Column("document", JsonDocument(), nullable=False),
    )
    op.create_table(
        "precomputations",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("pipeline", sa.String(), nullable=False, index=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False, index=True),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("document", JsonDocument(), nullable=False),
    )
