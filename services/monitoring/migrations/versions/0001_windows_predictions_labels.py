"""Pipelines, versions, windows, predictions and labels."""

import sqlalchemy as sa
from alembic import op

from services.chassis.database import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "monitor",
        sa.Column("pipeline", sa.String(63), primary_key=True),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("watermark", sa.BigInteger()),
        sa.Column("label_watermark", sa.BigInteger()),
        sa.Column("joined", sa.BigInteger(), nullable=False),
        sa.Column("delays", sa.JSON(), nullable=False),
        sa.Column("served_by", sa.JSON()),
        sa.Column("labelled_by", sa.JSON()),
    )
    op.create_table(
        "version",
        sa.Column("key", sa.Integer(), primary_key=True),
        sa.Column("pipeline", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("bundle_uri", sa.Text()),
        sa.Column("bundle_digest", sa.Text()),
        sa.Column("watched_since", UtcDateTime()),
        sa.Column("reference", sa.LargeBinary()),
        sa.UniqueConstraint("pipeline", "number"),
    )
    op.create_table(
        "window",
        sa.Column("version_key", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("start", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.Column("predictions", sa.Integer(), nullable=False),
        sa.Column("labelled", sa.Integer(), nullable=False),
        sa.Column("label_changes", sa.Integer(), nullable=False),
        sa.Column("drift", sa.JSON(), nullable=False),
        sa.Column("drift_rows", sa.Integer()),
        sa.Column("quality", sa.JSON()),
        sa.Column("quality_rows", sa.Integer()),
        sa.Column("quality_changes", sa.Integer()),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False, index=True),
    )
    op.create_table(
        "segment",
        sa.Column("segment", sa.Integer(), primary_key=True),
        sa.Column("version_key", sa.Integer(), nullable=False, index=True),
        sa.Column("message_id", sa.String(256), nullable=False),
        sa.Column("replica", sa.String(256), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "prediction",
        sa.Column("prediction_id", sa.String(64), primary_key=True),
        sa.Column("version_key", sa.Integer(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("event_at", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("label", sa.Double()),
        sa.Column("observed_at", sa.BigInteger()),
        sa.Column("said_at", sa.BigInteger()),
        sqlite_with_rowid=False,
    )
    op.create_index("prediction_by_time", "prediction", ["version_key", "event_at"])
    op.create_table(
        "label",
        sa.Column("pipeline", sa.String(63), primary_key=True),
        sa.Column("prediction_id", sa.String(64), primary_key=True),
        sa.Column("observed_at", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("said_at", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("value", sa.Double(), primary_key=True),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("label", "prediction", "segment", "window", "version", "monitor"):
        op.drop_table(table)
