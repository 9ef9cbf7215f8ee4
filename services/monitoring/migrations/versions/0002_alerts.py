"""Alerts, what ends them, and their deliveries."""

import sqlalchemy as sa
from alembic import op

from services.chassis.database import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "alert_standing",
        sa.Column("pipeline", sa.String(63), primary_key=True),
        sa.Column("champion", sa.Integer()),
        sa.Column("champion_since", UtcDateTime()),
    )
    op.create_table(
        "alert_relief",
        sa.Column("pipeline", sa.String(63), primary_key=True),
        sa.Column("kind", sa.String(63), primary_key=True),
        sa.Column("about", sa.String(100), primary_key=True),
        sa.Column("at", UtcDateTime(), nullable=False),
    )
    op.create_table(
        "alert",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("pipeline", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(63), nullable=False),
        sa.Column("about", sa.String(100), nullable=False),
        sa.Column("finding", sa.JSON(), nullable=False),
        sa.Column("fact_id", sa.String(256), nullable=False),
        sa.Column("trace_id", sa.String(32)),
        sa.Column("first_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False, index=True),
        sa.Column("occurrences", sa.Integer(), nullable=False),
        sa.Column("notices", sa.Integer(), nullable=False),
        sa.Column("told_at", UtcDateTime()),
        sa.Column("snoozed_until", UtcDateTime(), index=True),
        sa.Column("snoozed_by", sa.String(200)),
        sa.Column("snooze_reason", sa.Text()),
        sa.Column("resolved_at", UtcDateTime()),
        sa.Column("resolved_by", sa.String(200)),
        sa.Column("resolved_reason", sa.Text()),
    )
    op.create_index(
        "one_open_alert",
        "alert",
        ["pipeline", "kind", "about"],
        unique=True,
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_table(
        "alert_delivery",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("alert_id", sa.String(36), nullable=False, index=True),
        sa.Column("channel", sa.String(63), nullable=False),
        sa.Column("occasion", sa.String(16), nullable=False),
        sa.Column("notice", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    for table in ("alert_delivery", "alert", "alert_relief", "alert_standing"):
        op.drop_table(table)
