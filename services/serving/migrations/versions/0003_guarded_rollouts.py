"""Plans of rollouts, the evidence they have seen, and deployments that differ from what is desired."""

import sqlalchemy as sa
from alembic import op

from services.chassis.database import UtcDateTime

revision = "serving_0003"
down_revision = "serving_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deployments", sa.Column("plan", sa.JSON(), nullable=True))
    op.add_column("deployments", sa.Column("diverged_since", UtcDateTime(), nullable=True))
    op.add_column("rollouts", sa.Column("plan", sa.JSON(), nullable=True))
    op.add_column("rollouts", sa.Column("evidence", sa.JSON(), nullable=True))
    for name in ("paused", "hastened"):
        op.add_column("rollouts", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    for name in ("hastened", "paused", "evidence", "plan"):
        op.drop_column("rollouts", name)
    for name in ("diverged_since", "plan"):
        op.drop_column("deployments", name)
