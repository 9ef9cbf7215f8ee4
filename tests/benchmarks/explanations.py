"""What explanations cost beside LightGBM's own, and how far sampled ones are from those of many more samples.

::

    python -m tests.benchmarks.explanations [rows]
"""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import lightgbm
import numpy as np
from rich.console import Console
from rich.table import Table

from contracts.bundle import OptionalFile
from everloop.bundle.manifest import read_file, read_manifest
from everloop.bundle.shapley import SampledShapley
from tests.benchmarks.serving.flights import Flights, prepare

BACKGROUND = 64
"""Rows that a bundle keeps to sample from."""
MORE = 32
"""Times as many walks, to hold the usual number against."""
REPEATS = 30


def main() -> int:
    """Run the benchmark."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    with TemporaryDirectory(prefix="everloop-explain-") as directory:
        flights = prepare(Path(directory))
        _show_cost(flights)
        _show_error(flights, rows)
    return 0


def _show_cost(flights: Flights) -> None:
    manifest = read_manifest(flights.bundle_uri, flights.bundle_digest)
    trees = read_file(flights.bundle_uri, manifest, OptionalFile.TREES.value).decode()
    booster = lightgbm.Booster(model_str=trees)
    table = Table("Rows", "LightGBM alone (the limit)", "Everloop", "ratio", "a score alone")
    for count in (1, 32):
        limit, ours, score = _cost(flights, booster, count)
        table.add_row(str(count), f"{limit:.2f} ms", f"{ours:.2f} ms", f"{ours / limit:.2f}", f"{score:.2f} ms")
    Console().print(table)


def _cost(flights: Flights, booster: lightgbm.Booster, count: int) -> list[float]:
    columns = flights.rows.slice(0, count).to_pydict()
    matrix = flights.model.prepared(columns)
    return _milliseconds(
        lambda: booster.predict(matrix, pred_contrib=True, num_threads=1),
        lambda: flights.model.explain(columns),
        lambda: flights.model.predict(columns),
    )


def _milliseconds(*calls: Callable[[], object]) -> list[float]:
    """Take turns, so that what else the machine does hits all alike; medians."""
    seen: list[list[float]] = [[] for _ in calls]
    for _ in range(REPEATS):
        for call, seconds in zip(calls, seen, strict=True):
            began = perf_counter()
            call()
            seconds.append(perf_counter() - began)
    return [1000 * median(seconds) for seconds in seen]


def _show_error(flights: Flights, rows: int) -> None:
    every = flights.rows.num_rows // (BACKGROUND + rows)
    matrix = flights.model.prepared(flights.rows.take(list(range(0, every * (BACKGROUND + rows), every))).to_pydict())
    background, explained = matrix[:BACKGROUND], matrix[BACKGROUND:]
    usual = SampledShapley(flights.scorer.score_matrix, background)(explained)
    many = SampledShapley(flights.scorer.score_matrix, np.repeat(background, MORE, axis=0))(explained)
    errors = np.abs(usual - many).max(axis=1) / np.abs(many).max(axis=1)
    table = Table("Sampled, error as a share of a row's largest attribution", f"over {rows} rows")
    for name, error in (("median", np.median(errors)), ("mean", errors.mean()), ("worst", errors.max())):
        table.add_row(name, f"{100 * error:.1f} %")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
