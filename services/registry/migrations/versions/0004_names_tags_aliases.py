"""Models by any name, versions that an MLflow client logged, tags, and where each alias points now."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.chassis.database import UtcDateTime

revision = "registry_0004"
down_revision = "registry_0002"
branch_labels = None
depends_on = None

KEY = sa.String(250)


def upgrade() -> None:
    _widen_models()
    _widen_versions()
    for name, number in (("model_tags", ()), ("version_tags", (sa.Column("number", sa.Integer(), primary_key=True),))):
        op.create_table(
            name,
            sa.Column("pipeline", sa.String(), sa.ForeignKey("models.pipeline"), primary_key=True),
            *number,
            sa.Column("key", KEY, primary_key=True),
            sa.Column("value", sa.Text(), nullable=False),
        )
    op.create_table(
        "aliases",
        sa.Column("pipeline", sa.String(), sa.ForeignKey("models.pipeline"), primary_key=True),
        sa.Column("alias", sa.String(255), primary_key=True),
        sa.Column("number", sa.Integer(), nullable=False),
    )
    _tell_what_is_there()


def _widen_models() -> None:
    # Of what is there, all are pipelines. The defaults stay: SQLite takes none away without making the table again.
    op.add_column("models", sa.Column("name", sa.Text(), nullable=False, server_default=""))
    op.add_column("models", sa.Column("is_pipeline", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("models", sa.Column("description", sa.Text(), nullable=True))
    op.add_column("models", sa.Column("updated_at", UtcDateTime(), nullable=True))
    op.add_column("models", sa.Column("deleted_at", UtcDateTime(), nullable=True))
    op.execute("UPDATE models SET name = pipeline, updated_at = registered_at")


def _widen_versions() -> None:
    for column in (
        sa.Column("source", sa.Text(), nullable=False, server_default=""),
        sa.Column("location", sa.Text(), nullable=False, server_default=""),
        sa.Column("source_run_id", sa.String(), nullable=True),
        sa.Column("run_link", sa.Text(), nullable=True),
        sa.Column("model_id", sa.String(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.Column("archived", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
    ):
        op.add_column("versions", column)
    with op.batch_alter_table("versions") as versions:
        for name, kind in (
            ("run_id", sa.Uuid()),
            ("bundle_uri", sa.String()),
            ("bundle_digest", sa.String()),
            ("manifest", sa.JSON()),
            ("report", sa.JSON()),
            ("card", sa.Text()),
        ):
            versions.alter_column(name, existing_type=kind, nullable=True)
    op.create_index("ix_versions_source_run_id", "versions", ["source_run_id"])
    op.execute("UPDATE versions SET source = bundle_uri, location = bundle_uri, updated_at = registered_at")


def _tell_what_is_there() -> None:
    """Write down of each model and version what from now on is written with it."""
    connection = op.get_bind()
    models = sa.table("models", sa.column("pipeline"), sa.column("definition", sa.JSON()), sa.column("description"))
    for model in connection.execute(sa.select(models)).all():
        described = sa.update(models).where(models.c.pipeline == model.pipeline)
        connection.execute(described.values(description=model.definition.get("description") or None))
    versions = sa.table(
        "versions",
        *(sa.column(name) for name in ("pipeline", "number", "bundle_digest", "state", "source_run_id")),
        sa.column("run_id", sa.Uuid()),
        sa.column("manifest", sa.JSON()),
    )
    for version in connection.execute(sa.select(versions)).all():
        this = (versions.c.pipeline == version.pipeline) & (versions.c.number == version.number)
        connection.execute(sa.update(versions).where(this).values(source_run_id=version.run_id.hex))
        of = {"pipeline": version.pipeline, "number": version.number}
        tags = _labels(version.bundle_digest, version.manifest["lineage"], version.state)
        rows = [{**of, "key": key, "value": value} for key, value in tags.items()]
        connection.execute(sa.insert(sa.table("version_tags", *map(sa.column, rows[0]))), rows)
    _point_aliases(connection)


def _labels(bundle_digest: str, lineage: dict[str, Any], state: str) -> dict[str, str]:
    labels = {
        "everloop.state": state,
        "everloop.bundle_digest": bundle_digest,
        "everloop.dataset_version": str(lineage["dataset"]["version"]),
        "everloop.dataset_digest": lineage["dataset"]["digest"],
        "everloop.code_digest": lineage["code_digest"],
        "everloop.environment_digest": lineage["environment_digest"],
    }
    return labels | ({"everloop.commit": lineage["commit"]} if lineage.get("commit") else {})


def _point_aliases(connection: sa.Connection) -> None:
    changes = sa.table("alias_changes", *map(sa.column, ("pipeline", "place", "alias", "number")))
    pointed: dict[tuple[str, str], int | None] = {}
    for change in connection.execute(sa.select(changes).order_by(changes.c.place)).all():
        pointed[change.pipeline, change.alias] = change.number
    names = ("pipeline", "alias", "number")
    rows = [dict(zip(names, (*key, number), strict=True)) for key, number in pointed.items() if number]
    if rows:
        connection.execute(sa.insert(sa.table("aliases", *map(sa.column, names))), rows)
