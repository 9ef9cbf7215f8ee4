"""Measure, and print a table or JSON."""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from tests.benchmarks.registry import __doc__ as conditions
from tests.benchmarks.registry.operations import Operation, Stage, operations
from tests.benchmarks.registry.servers import SERVERS, Server
from tests.benchmarks.registry.staging import prepare
from tests.benchmarks.serving.load import measure
from tests.fixtures.mlflow_server import ENVIRONMENT
from tests.fixtures.postgres import new_database, running_postgres

CLIENTS = (1, 8)
HOST = "127.0.0.1"
DATABASES = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Cell:
    """One server under one load."""

    server: str
    database: str
    operation: str
    clients: int
    operations_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    """Of the server, per operation."""
    failed: int


@dataclass(frozen=True)
class Memory:
    """What a server held after the last load."""

    server: str
    database: str
    resident_mib: float


def main() -> int:
    """Run the benchmark."""
    options = _options()
    console = Console(stderr=True)
    if options.install and not (ENVIRONMENT / "bin/mlflow").exists():
        # Heavy to import, and of no use where the stock server is there.
        from tests.benchmarks.serving.peers import install

        console.print("installing mlflow")
        install("mlflow")
    cells: list[Cell] = []
    memory: list[Memory] = []
    asked = [each for each in operations(options.runs) if options.operation in each.name]
    with ExitStack() as stack:
        databases = [name for name in DATABASES if options.database in name]
        postgres = stack.enter_context(running_postgres()) if "postgresql" in databases else ""
        for database in databases:
            for name in (name for name in SERVERS if options.server.lower() in name.lower()):
                console.print(f"{name} on {database}")
                with ExitStack() as life:
                    url = life.enter_context(new_database(postgres)) if database == "postgresql" else None
                    home = life.enter_context(TemporaryDirectory(prefix="everloop-bench-"))
                    server = life.enter_context(SERVERS[name](Path(home), url))
                    stage = asyncio.run(prepare(server.url, options.runs))
                    for cell in _measured(name, database, server, stage, asked, options.seconds):
                        console.print(f"  {cell.operation}, {cell.clients}: {cell.operations_per_s:,.0f}/s")
                        cells.append(cell)
                    memory.append(Memory(name, database, server.resident_mib()))
    if options.json:
        told = {"conditions": conditions, "cells": [asdict(cell) for cell in cells]}
        sys.stdout.write(json.dumps(told | {"memory": [asdict(one) for one in memory]}) + "\n")
    else:
        _show(cells, memory)
    return 0


def _measured(
    name: str, database: str, server: Server, stage: Stage, asked: list[Operation], seconds: float
) -> Iterator[Cell]:
    for operation in asked:
        requests = operation.requests(stage)
        for clients in CLIENTS:
            before = server.cpu_s()
            found = measure(HOST, server.port, requests, connections=clients, seconds=seconds)
            cpu_ms = (server.cpu_s() - before) / max(1, found.answered) * 1000
            yield Cell(
                name,
                database,
                operation.name,
                clients,
                operations_per_s=found.requests_per_s,
                p50_ms=found.p50_ms,
                p99_ms=found.p99_ms,
                cpu_ms=cpu_ms,
                failed=found.failed,
            )


def _show(cells: list[Cell], memory: list[Memory]) -> None:
    found = {(cell.server, cell.database, cell.operation, cell.clients): cell for cell in cells}
    stock, ours = SERVERS
    table = Table("Operation", "Database", "Clients", title="Operations per second; server CPU per operation; p99")
    for column in (stock, ours, "Throughput", "CPU"):
        table.add_column(column, justify="right")
    for server, database, operation, clients in found:
        theirs, own = (found.get((name, database, operation, clients)) for name in (stock, ours))
        if server == stock and own and theirs:
            ratio, cpu = own.operations_per_s / theirs.operations_per_s, own.cpu_ms / theirs.cpu_ms
            table.add_row(operation, database, str(clients), _words(theirs), _words(own), f"{ratio:.1f}x", f"{cpu:.2f}")
        elif not (own and theirs):
            one = own or theirs
            table.add_row(
                operation, database, str(clients), *(_words(one) if one is each else "" for each in (theirs, own))
            )
    Console(width=140).print(table)
    for one in memory:
        Console().print(f"{one.server} on {one.database}: {one.resident_mib:.0f} MiB resident")


def _words(cell: Cell | None) -> str:
    if cell is None:
        return ""
    failed = f"\n{cell.failed} failed" if cell.failed else ""
    return f"{cell.operations_per_s:,.0f}/s; {cell.cpu_ms:.2f} ms; {cell.p99_ms:.0f} ms{failed}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.registry", description=conditions)
    parser.add_argument("--seconds", type=float, default=4.0, help="each load is kept up")
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 10000], help="in the experiments to search")
    parser.add_argument("--server", default="", metavar="WORD", help="only servers with this word in their name")
    parser.add_argument("--database", default="", metavar="WORD", help="only databases with this word in their name")
    parser.add_argument("--operation", default="", metavar="WORD", help="only operations with this word in their name")
    parser.add_argument("--install", action="store_true", help="make the stock server's environment if it is not there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
