"""Pipelines, batches and dataset versions."""

import sqlalchemy as sa
from alembic import op

from services.chassis.database import JsonDocument, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "pipelines",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("contract", JsonDocument(), nullable=False),
    )
    op.create_table(
        "batches",
        sa.Column("place", sa.Integer().with_variant(sa.BigInteger(), "postgresql"), primary_key=True),
        sa.Column("batch_id", sa.Uuid(), nullable=False, unique=True),
        sa.Column("pipeline", sa.String(), nullable=False, index=True),
        sa.Column("state", sa.String(), nullable=False, index=True),
        sa.Column("document", JsonDocument(), nullable=False),
    )
    op.create_table(
        "versions",
        sa.Column("pipeline", sa.String(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("table_uri", sa.String(), nullable=False),
        sa.Column("delta_version", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False, unique=True),
        sa.Column("raw_uri", sa.String(), nullable=False),
        sa.Column("raw_digest", sa.String(), nullable=False, index=True),
        sa.Column("new_rows", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("profile_uri", sa.String(), nullable=False),
        sa.Column("first_event", UtcDateTime(), nullable=False),
        sa.Column("last_event", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("ignored_columns", JsonDocument(), nullable=False),
        sa.UniqueConstraint("pipeline", "delta_version"),
    )


def downgrade() -> None:
    op.drop_table("versions")
    op.drop_table("batches")
    op.drop_table("pipelines")
