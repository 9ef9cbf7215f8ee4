"""Since when a rollout moves all traffic."""

import sqlalchemy as sa
from alembic import op

from services.chassis.database import UtcDateTime

revision = "serving_0004"
down_revision = "serving_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rollouts", sa.Column("flipping_since", UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("rollouts", "flipping_since")
