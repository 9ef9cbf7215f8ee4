"""How long searches take among very many runs of one experiment, on SQLite and PostgreSQL.

::

    python -m tests.benchmarks.registry.search_scale                     # a table, for 100,000 runs
    python -m tests.benchmarks.registry.search_scale --runs 10000 --json

Each run has five metrics, five parameters and five tags. A search is what the service does to answer a request for a
page of 100 runs, except for HTTP and JSON: it finds them and reads what they logged. The limit is to read the same
runs by their ids, without looking for them. PostgreSQL has counted its rows, as it does by itself within a minute.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from services.chassis.database import Database
from services.registry.rows import Row
from services.registry.search.ports import Question
from services.registry.search.tracking import SqlTrackingSearch
from services.registry.tracking.domain import Stage
from services.registry.tracking.store import RUNS, SqlRuns
from tests.fixtures.postgres import new_database, running_postgres

REPEATED = 7
"""Searches of a kind, and readings of what they found in between; medians count."""
ID = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "md5(random()::text)"}
"""A run's id, at random as real ones are."""
ROWS = (
    "INSERT INTO experiments (id, name, pipeline, artifact_location, stage, created_ms, updated_ms)"
    " VALUES (1, 'large', 'large', '', 'active', 0, 0)",
    "INSERT INTO runs (id, experiment_id, name, user_id, status, started_ms, artifact_uri, stage)"
    " WITH RECURSIVE numbered(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbered WHERE n + 1 < :runs)"
    " SELECT {id}, 1, 'run', 'ada', 'FINISHED', n, '', 'active' FROM numbered",
    "INSERT INTO latest_metrics (run_id, key, experiment_id, step, timestamp_ms, value, is_nan)"
    " SELECT id, label, 1, 0, 0, (started_ms * step % 99991) / 99991.0, FALSE FROM runs CROSS JOIN"
    " (SELECT 'auc' AS label, 7919 AS step UNION ALL SELECT 'loss', 6271 UNION ALL SELECT 'precision', 3571"
    " UNION ALL SELECT 'recall', 1747 UNION ALL SELECT 'time_s', 641) AS metrics ORDER BY 1, 2",
    "INSERT INTO params (run_id, key, value) SELECT id, label, CAST(started_ms * step % 10 AS VARCHAR(9)) FROM runs"
    " CROSS JOIN (SELECT 'depth' AS label, 3 AS step UNION ALL SELECT 'rate', 7 UNION ALL SELECT 'leaves', 9"
    " UNION ALL SELECT 'seed', 11 UNION ALL SELECT 'rounds', 13) AS params ORDER BY 1, 2",
    "INSERT INTO run_tags (run_id, key, value) SELECT id, label, CAST(started_ms / step AS VARCHAR(9)) FROM runs"
    " CROSS JOIN (SELECT 'mlflow.user' AS label, 50000 AS step UNION ALL SELECT 'mlflow.parentRunId', 20"
    " UNION ALL SELECT 'mlflow.runName', 1 UNION ALL SELECT 'mlflow.source.name', 90000"
    " UNION ALL SELECT 'mlflow.source.type', 90000) AS tags ORDER BY 1, 2",
)
QUESTIONS = {
    "the newest": Question("", (), 100),
    "the best by a metric": Question("", ("metrics.auc DESC",), 100),
    "the best of a tenth": Question("metrics.auc > 0.5 AND params.depth = '3'", ("metrics.auc DESC",), 100),
    "the newest of a tenth": Question("params.depth = '3'", (), 100),
    "one in a thousand, newest first": Question("metrics.loss < 0.001", (), 100),
    "the children of a run": Question("tags.mlflow.parentRunId = '17'", (), 100),
    "by a parameter, then a metric": Question("", ("params.rate", "metrics.auc DESC"), 100),
    "none": Question("params.depth = 'none'", (), 100),
}


@dataclass(frozen=True)
class Cell:
    """One search on one database."""

    database: str
    search: str
    found: int
    limit_ms: float
    median_ms: float

    @property
    def ratio(self) -> str:
        """How many times the limit it takes; nothing where nothing was found."""
        return f"{self.median_ms / self.limit_ms:.1f}" if self.found else "–"


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.registry.search_scale", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--database", default="", metavar="WORD", help="only databases with this word in their name")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    cells = []
    for name in (name for name in ID if options.database in name):
        with _database(name) as url:
            cells += asyncio.run(_measured(name, url, options.runs))
    if options.json:
        sys.stdout.write(json.dumps({"runs": options.runs, "cells": [asdict(cell) for cell in cells]}) + "\n")
    else:
        table = Table("Search", "Database", "Found", "By id (the limit)", "Search", "ratio")
        table.title = f"A page of 100 among {options.runs:,} runs"
        for cell in cells:
            times = (f"{milliseconds:.1f} ms" for milliseconds in (cell.limit_ms, cell.median_ms))
            table.add_row(cell.search, cell.database, str(cell.found), *times, cell.ratio)
        Console().print(table)
    return 0


@contextmanager
def _database(name: str) -> Iterator[str]:
    if name == "sqlite":
        with TemporaryDirectory(prefix="everloop-bench-") as home:
            yield f"sqlite:///{Path(home) / 'registry.sqlite'}"
    else:
        with running_postgres() as postgres, new_database(postgres) as url:
            yield url


async def _measured(name: str, url: str, runs: int) -> list[Cell]:
    database = Database(url, schema="public")
    try:
        await _fill(database, name, runs)
        return [await _cell(name, database, search, question) for search, question in QUESTIONS.items()]
    finally:
        await database.close()


async def _fill(database: Database, name: str, runs: int) -> None:
    async with database.session() as session:
        connection = await session.connection()
        await connection.run_sync(Row.metadata.create_all)
        for rows in ROWS:
            await connection.execute(text(rows.format(id=ID[name])), {"runs": runs} if ":runs" in rows else {})
        if name == "postgresql":
            await connection.execute(text("ANALYZE"))
        await session.commit()


async def _cell(name: str, database: Database, search: str, question: Question) -> Cell:
    searches, readings = list[float](), list[float]()
    found: list[str] = []
    for _ in range(REPEATED):
        started = perf_counter()
        async with database.session(write=False) as session:
            page = await SqlTrackingSearch(session).runs(["1"], (Stage.ACTIVE,), question)
            found = [run.id for run in page.things]
            await SqlRuns(session).records(found)
        searched = perf_counter()
        async with database.session(write=False) as session:
            await (await session.connection()).execute(RUNS.where(RUNS.selected_columns.id.in_(found)))
            await SqlRuns(session).records(found)
        searches.append(searched - started)
        readings.append(perf_counter() - searched)
    return Cell(name, search, len(found), median(readings) * 1000, median(searches) * 1000)


if __name__ == "__main__":
    sys.exit(main())
