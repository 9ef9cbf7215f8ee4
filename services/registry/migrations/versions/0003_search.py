"""What searches of runs need: an experiment's runs by time, and by each metric's latest value."""

import sqlalchemy as sa
from alembic import op

revision = "registry_0003"
down_revision = "registry_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_runs_started", "runs", ["experiment_id", "stage", sa.text("started_ms DESC"), "id"])
    op.add_column("latest_metrics", sa.Column("experiment_id", sa.Integer(), nullable=False, server_default="0"))
    of_run = "SELECT experiment_id FROM runs WHERE runs.id = latest_metrics.run_id"
    op.execute(f"UPDATE latest_metrics SET experiment_id = ({of_run})")  # noqa: S608  # no one's text is in it
    op.create_index("ix_latest_metrics_value", "latest_metrics", ["experiment_id", "key", "value", "is_nan"])
