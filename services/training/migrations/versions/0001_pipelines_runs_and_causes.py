"""Pipelines, their datasets, runs, and the causes that led to them."""

import sqlalchemy as sa
from alembic import op

from services.chassis.database import JsonDocument, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "pipeline",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("document", JsonDocument(), nullable=False),
    )
    op.create_table(
        "pipeline_revision",
        sa.Column("pipeline", sa.String(), primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True),
        sa.Column("document", JsonDocument(), nullable=False),
    )
    op.create_table(
        "dataset",
        sa.Column("pipeline", sa.String(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("new_rows", sa.BigInteger(), nullable=False),
        sa.Column("document", JsonDocument(), nullable=False),
    )
    op.create_table(
        "run",
        sa.Column("run_id", sa.Uuid(), primary_key=True),
        sa.Column("pipeline", sa.String(), nullable=False, index=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("as_of", UtcDateTime()),
        sa.Column("dataset_version", sa.Integer()),
        sa.Column("labels", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False, index=True),
        sa.Column("finished_at", UtcDateTime()),
        sa.Column("document", JsonDocument(), nullable=False),
    )
    unfinished = sa.text("finished_at IS NULL")
    op.create_index(
        "run_one_unfinished", "run", ["pipeline"], unique=True, sqlite_where=unfinished, postgresql_where=unfinished
    )
    op.create_table(
        "cause",
        sa.Column("pipeline", sa.String(), primary_key=True),
        sa.Column("message_id", sa.String(), primary_key=True),
        sa.Column("correlation_id", sa.String(), nullable=False, index=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("heard_at", UtcDateTime(), nullable=False, index=True),
        sa.Column("due", sa.Boolean(), nullable=False, index=True),
        sa.Column("document", JsonDocument(), nullable=False),
    )


def downgrade() -> None:
    for table in ("cause", "run", "dataset", "pipeline_revision", "pipeline"):
        op.drop_table(table)
