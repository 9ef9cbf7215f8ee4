"""Deployments and rollouts."""

import sqlalchemy as sa
from alembic import op

from services.chassis.database import UtcDateTime

revision = "serving_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deployments",
        sa.Column("pipeline", sa.String(), primary_key=True),
        sa.Column("replicas", sa.Integer(), nullable=False),
        sa.Column("max_golden_difference", sa.Float(), nullable=False),
        sa.Column("timeout_s", sa.Float(), nullable=False),
        sa.Column("registered_at", UtcDateTime(), nullable=False),
        sa.Column("answering", sa.Uuid(), nullable=True),
        sa.Column("previous", sa.Uuid(), nullable=True),
    )
    op.create_table(
        "rollouts",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("pipeline", sa.String(), nullable=False, index=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("bundle_uri", sa.Text(), nullable=False),
        sa.Column("bundle_digest", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("promoted_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("cause", sa.JSON(), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(), nullable=False, index=True),
        sa.Column("previous_version", sa.Integer(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("replicas", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("rollouts")
    op.drop_table("deployments")
