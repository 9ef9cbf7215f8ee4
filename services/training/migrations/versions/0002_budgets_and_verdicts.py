"""What runs took, when they were let begin, and what became of their candidates."""

import sqlalchemy as sa
from alembic import op

from services.chassis.database import UtcDateTime

revision = "0002"
down_revision = "0001"

COLUMNS = ("begun_at", "compute_s", "model_version", "outcome", "judged_at")


def upgrade() -> None:
    op.add_column("run", sa.Column("begun_at", UtcDateTime()))
    op.add_column("run", sa.Column("compute_s", sa.Float(), nullable=False, server_default="0"))
    op.add_column("run", sa.Column("model_version", sa.Integer()))
    op.add_column("run", sa.Column("outcome", sa.String()))
    op.add_column("run", sa.Column("judged_at", UtcDateTime()))
    op.execute("UPDATE run SET begun_at = created_at WHERE state <> 'awaiting_approval'")


def downgrade() -> None:
    for column in COLUMNS:
        op.drop_column("run", column)
