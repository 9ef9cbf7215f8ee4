"""A registry of before keeps what it knows, and tells MLflow's clients of it."""

import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import Insert, column, insert, inspect, table
from sqlmodel import select

from services.chassis.database import Database
from services.chassis.schema import migrate
from services.registry import main
from services.registry.models.rows import AliasRow, ModelTagRow, VersionTagRow
from services.registry.rows import AliasChangeRow, ModelRow, Row, VersionRow
from tests.contracts.examples import NOON, PIPELINE, definition, digest
from tests.fakes.registry.examples import evidence, run_id

MIGRATIONS = Path(main.__file__).parent / "migrations"


async def test_what_was_registered_before_there_were_names_has_one(database: Database, tmp_path: Path) -> None:
    first = tmp_path / "first" / "versions"
    first.mkdir(parents=True)
    shutil.copy(MIGRATIONS / "versions" / "0001_versions_and_aliases.py", first)
    await migrate(database, first.parent)
    await _fill(database)

    await migrate(database, MIGRATIONS)

    async with database.session(write=False) as session:
        (model,) = await session.exec(select(ModelRow))
        (version,) = await session.exec(select(VersionRow))
        tags = {tag.key: tag.value for tag in await session.exec(select(VersionTagRow))}
        aliases = [(alias.alias, alias.number) for alias in await session.exec(select(AliasRow))]
        assert (await session.exec(select(ModelTagRow))).all() == []
    assert (model.name, model.is_pipeline, model.description) == (PIPELINE, True, "Will this flight arrive late?")
    assert (version.source, version.source_run_id) == ("/store/runs/1/bundle", run_id(1).hex)
    assert (version.updated_at, version.archived) == (NOON, False)
    assert (tags["everloop.state"], tags["everloop.bundle_digest"]) == ("promoted", digest("b"))
    assert aliases == [("champion", 1)]


async def test_migrations_make_the_tables_the_code_expects(database: Database) -> None:
    await migrate(database, MIGRATIONS)

    async with database.engine.connect() as connection:
        found = await connection.run_sync(
            lambda sync: {
                table: {column["name"] for column in inspect(sync).get_columns(table)} for table in Row.metadata.tables
            }
        )
    assert found == {name: {column.name for column in table.columns} for name, table in Row.metadata.tables.items()}


async def _fill(database: Database) -> None:
    """Write what the first registry wrote of a champion that had been challenger."""
    found = evidence(1)
    before: dict[type[Row], dict[str, Any]] = {
        ModelRow: {
            "pipeline": PIPELINE,
            "definition": definition().model_dump(mode="json"),
            "registered_at": NOON,
            "last_number": 1,
            "turn": 1,
        },
        VersionRow: {
            "pipeline": PIPELINE,
            "number": 1,
            "run_id": run_id(1),
            "bundle_uri": "/store/runs/1/bundle",
            "bundle_digest": digest("b"),
            "manifest": found.manifest.model_dump(mode="json"),
            "report": found.report.model_dump(mode="json"),
            "card": "",
            "verdicts": [],
            "registered_at": NOON,
            "state": "promoted",
        },
    }
    moves = (("challenger", 1), ("champion", 1), ("challenger", None))
    async with database.session() as session:
        for row, values in before.items():
            await session.exec(_insert(row, values))
        for place, (alias, number) in enumerate(moves, start=1):
            said = {"changed_by": "ada", "reason": "looks right", "changed_at": NOON}
            change = {"pipeline": PIPELINE, "place": place, "alias": alias, "number": number, **said}
            await session.exec(_insert(AliasChangeRow, change))
        await session.commit()


def _insert(row: type[Row], values: dict[str, Any]) -> Insert:
    """Write the named columns alone: the table has no others yet."""
    known = row.metadata.tables[str(row.__tablename__)].columns
    return insert(table(str(row.__tablename__), *(column(name, known[name].type) for name in values))).values(values)
