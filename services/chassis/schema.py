"""Brings a database's tables up to date: the chassis' own, then the service's. Safe when two start at once."""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.chassis.database import Database
from services.chassis.logs import Log

CHASSIS = Path(__file__).parent / "migrations"

log = Log(__name__)


async def migrate(database: Database, service_migrations: Path | None = None) -> None:
    """Run all outstanding migrations, each history in its own version table."""
    async with database.exclusively("migrations"), database.engine.connect() as connection:
        if database.file is None:
            await connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{database.schema}"'))
        await connection.run_sync(_upgrade, CHASSIS, "chassis_version")
        if service_migrations:
            await connection.run_sync(_upgrade, service_migrations, "service_version")
        await connection.commit()


def _upgrade(connection: Connection, location: Path, version_table: str) -> None:
    if not (location / "versions").is_dir():
        return
    config = Config()
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)

    def steps(revision: tuple[str, ...], context: MigrationContext) -> list[RevisionStep]:
        outstanding = script._upgrade_revs("head", revision)  # type: ignore[arg-type]  # as alembic's own upgrade does
        for step in outstanding:
            log.info("migration runs", history=version_table, revision=step.revision.revision)
        return list(outstanding)

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=connection, version_table=version_table, transactional_ddl=True)
        environment.run_migrations()
