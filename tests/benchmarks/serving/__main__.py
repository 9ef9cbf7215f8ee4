"""Measure, and print a table or JSON."""

import argparse
import json
import statistics
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from tests.benchmarks.serving.flights import Flights, prepare
from tests.benchmarks.serving.load import Measured, measure
from tests.benchmarks.serving.peers import LIMIT, PACKAGES, PEERS, NotServingError, Peer, install
from tests.benchmarks.serving.questions import requests

CONNECTIONS = (1, 16, 64)
ROWS = (1, 32)
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Cell:
    """One peer under one load: medians over the rounds."""

    peer: str
    connections: int
    rows: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    ratio_to_limit: float


Load = tuple[int, int]
"""Connections and rows."""


def main() -> int:
    """Run the benchmark."""
    options = _options()
    console = Console(stderr=True)
    for package in sorted({peer.package for peer in PEERS if peer.package and not peer.installed}):
        if options.install:
            console.print(f"installing {PACKAGES[package][0]}")
            install(package)
    wanted = [peer for peer in PEERS if peer.name == LIMIT or options.only.lower() in peer.name.lower()]
    peers = [peer for peer in wanted if peer.installed]
    for missing in (peer.name for peer in wanted if not peer.installed):
        console.print(f"left out, not installed: {missing} (--install does)")
    seen: dict[tuple[str, Load], list[tuple[Measured, float]]] = defaultdict(list)
    with TemporaryDirectory(prefix="everloop-bench-", ignore_cleanup_errors=True) as directory:
        console.print("training the flight model on two months")
        flights = prepare(Path(directory) / "model")
        for number in range(1, options.rounds + 1):
            limit: dict[Load, float] = {}
            for peer in peers:
                console.print(f"round {number} of {options.rounds}: {peer.name}")
                try:
                    found = _measured(peer, flights, Path(directory) / "home", options.seconds)
                except NotServingError as error:
                    console.print(f"{peer.name} is left out of this round: {error}")
                    continue
                for load, measured in found.items():
                    if peer.name == LIMIT:
                        limit[load] = measured.requests_per_s
                    seen[peer.name, load].append((measured, measured.requests_per_s / limit[load]))
    cells = [_cell(peer, load, found) for (peer, load), found in seen.items()]
    if options.json:
        told = {"rounds": options.rounds, "seconds": options.seconds, "cells": [asdict(cell) for cell in cells]}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        _show(cells)
    return 0


def _measured(peer: Peer, flights: Flights, home: Path, seconds: float) -> dict[Load, Measured]:
    found = {}
    with peer.running(flights, home) as server:
        for rows in ROWS:
            asked = requests(
                flights.rows,
                flights.datatypes,
                form=server.form,
                path=server.path,
                host=f"{HOST}:{server.port}",
                size=rows,
            )
            for connections in CONNECTIONS:
                found[connections, rows] = measure(HOST, server.port, asked, connections=connections, seconds=seconds)
    return found


def _cell(peer: str, load: Load, found: list[tuple[Measured, float]]) -> Cell:
    def median(name: str) -> float:
        return statistics.median(getattr(measured, name) for measured, _ in found)

    return Cell(
        peer,
        *load,
        requests_per_s=median("requests_per_s"),
        p50_ms=median("p50_ms"),
        p99_ms=median("p99_ms"),
        failed=sum(measured.failed for measured, _ in found),
        ratio_to_limit=statistics.median(ratio for _, ratio in found),
    )


def _show(cells: list[Cell]) -> None:
    table = Table("Server", title="Ratio to the limit (requests per second; median latency)")
    loads = [(connections, rows) for rows in ROWS for connections in CONNECTIONS]
    for connections, rows in loads:
        table.add_column(f"{connections} conn.\n{rows} row{'s' if rows > 1 else ''}", justify="right")
    by_peer: dict[str, dict[Load, Cell]] = defaultdict(dict)
    for cell in cells:
        by_peer[cell.peer][cell.connections, cell.rows] = cell
    for peer, of in by_peer.items():
        table.add_row(peer, *(_words(of[load]) for load in loads))
    Console(width=140).print(table)


def _words(cell: Cell) -> str:
    failed = f"\n{cell.failed} failed" if cell.failed else ""
    return f"{cell.ratio_to_limit:.2f}\n{cell.requests_per_s:,.0f}/s\n{cell.p50_ms:.1f} ms{failed}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="times every server is started and measured")
    parser.add_argument("--seconds", type=float, default=4.0, help="each load is kept up")
    parser.add_argument("--only", default="", metavar="WORD", help="the limit and servers with this word in their name")
    parser.add_argument("--install", action="store_true", help="make the environments of peers that are not there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
