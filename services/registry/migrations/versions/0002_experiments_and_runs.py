"""Experiments, runs, and what runs log."""

import sqlalchemy as sa
from alembic import op

revision = "registry_0002"
down_revision = "registry_0001"
branch_labels = None
depends_on = None

RUN = sa.String(32)
KEY = sa.String(250)


def upgrade() -> None:
    experiments = op.create_table(
        "experiments",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(500), nullable=False, unique=True),
        sa.Column("pipeline", sa.String(), nullable=False),
        sa.Column("artifact_location", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_experiments_pipeline", "experiments", ["pipeline"])
    op.create_table(
        "experiment_tags",
        sa.Column("experiment_id", sa.Integer(), sa.ForeignKey("experiments.id"), primary_key=True),
        sa.Column("key", KEY, primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "runs",
        sa.Column("id", RUN, primary_key=True),
        sa.Column("experiment_id", sa.Integer(), sa.ForeignKey("experiments.id"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("artifact_uri", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("deleted_ms", sa.BigInteger(), nullable=True),
    )
    for name in ("params", "run_tags"):
        op.create_table(
            name,
            sa.Column("run_id", RUN, sa.ForeignKey("runs.id"), primary_key=True),
            sa.Column("key", KEY, primary_key=True),
            sa.Column("value", sa.Text(), nullable=False),
            sqlite_with_rowid=False,
        )
    op.create_table(
        "metrics",
        sa.Column("run_id", RUN, primary_key=True),
        sa.Column("key", KEY, primary_key=True),
        sa.Column("step", sa.BigInteger(), primary_key=True),
        sa.Column("timestamp_ms", sa.BigInteger(), primary_key=True),
        sa.Column("value", sa.Double(), primary_key=True),
        sa.Column("is_nan", sa.Boolean(), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "latest_metrics",
        sa.Column("run_id", RUN, primary_key=True),
        sa.Column("key", KEY, primary_key=True),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("timestamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("is_nan", sa.Boolean(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "model_metrics",
        sa.Column("model_id", sa.String(64), primary_key=True),
        sa.Column("run_id", RUN, primary_key=True),
        sa.Column("key", KEY, primary_key=True),
        sa.Column("step", sa.BigInteger(), primary_key=True),
        sa.Column("timestamp_ms", sa.BigInteger(), primary_key=True),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("is_nan", sa.Boolean(), nullable=False),
        sa.Column("dataset_name", sa.String(500), nullable=True),
        sa.Column("dataset_digest", sa.String(36), nullable=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "datasets",
        sa.Column("experiment_id", sa.Integer(), sa.ForeignKey("experiments.id"), primary_key=True),
        sa.Column("name", sa.String(500), primary_key=True),
        sa.Column("digest", sa.String(36), primary_key=True),
        sa.Column("source_type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("schema", sa.Text(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=True),
    )
    op.create_table(
        "run_datasets",
        sa.Column("run_id", RUN, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("name", sa.String(500), primary_key=True),
        sa.Column("digest", sa.String(36), primary_key=True),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("context", sa.Text(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id", "name", "digest"], ["datasets.experiment_id", "datasets.name", "datasets.digest"]
        ),
    )
    op.create_table(
        "run_models",
        sa.Column("run_id", RUN, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("made", sa.Boolean(), primary_key=True),
        sa.Column("model_id", sa.String(64), primary_key=True),
        sa.Column("step", sa.BigInteger(), primary_key=True),
        sa.Column("place", sa.Integer(), nullable=False),
    )
    # There from the start, and so of no time: a database that is made again says the same about it.
    op.bulk_insert(
        experiments,
        [
            {
                "id": 0,
                "name": "Default",
                "pipeline": "default_21b111cb",
                "artifact_location": "mlflow-artifacts:/0",
                "stage": "active",
                "created_ms": 0,
                "updated_ms": 0,
            }
        ],
    )
