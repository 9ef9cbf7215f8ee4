"""How many windows the monitors need to find a drift that is put into a stream without any.

::

    python -m tests.benchmarks.monitoring.detection --employment nannyml-0.13.1-py3-none-any.whl --seeds 5 --json

Whole days are permuted first, so that nothing else drifts. The drift sets in at a window and stays; the delay is
counted from there, 1 being that window itself. The area under the curve may fall by ``MAX_DROP``.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from contracts.pipeline import Monitors
from everloop.bundle.preparation import numbers
from tests.benchmarks.monitoring.false_alarms import TABLE_SEED
from tests.benchmarks.monitoring.streams import Rows, Watch, cells_from, employment, find, flights, judge

ONSET, WATCHED = 10, 40
"""Windows without drift, and at most so many with it."""
MAX_DROP = 0.005
Mask = NDArray[np.bool_]
Drift = Callable[[Rows, Mask, np.random.Generator], Rows]
INPUTS, QUALITY = {"input", "recent input", "fault"}, {"quality"}


@dataclass(frozen=True)
class Columns:
    """Which columns of a data set drifts are put into."""

    number: str
    distance: str
    category: str


COLUMNS = {
    "flights": Columns("temperature_f", "distance_miles", "carrier"),
    "employment": Columns("AGEP", "AGEP", "SCHL"),
}


@dataclass(frozen=True)
class Line:
    """One drift in one data set."""

    data: str
    drift: str
    trials: int
    found: int
    by: str
    median_delay: float
    """In windows, over the trials in which it was found."""
    largest_delay: int
    alarming: float
    """Share of windows with the drift that alarm; to be held against ``calm``, since a slow find may be chance."""
    calm: float
    """Share of windows before it that do."""


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--employment", type=Path, help="NannyML's wheel")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=TABLE_SEED)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data = [flights()]
    if options.employment:
        data.append(employment(options.employment))
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    lines = [line for rows in data for line in measure(rows, seeds)]
    if options.json:
        json.dump([asdict(line) for line in lines], sys.stdout, indent=1)
    else:
        table = Table("data", "drift", "found", "by", "median delay", "largest", "alarming", "calm")
        for line in lines:
            missed = line.found < line.trials
            found = f"{line.found} of {line.trials}"
            delays = (f"{line.median_delay:g}", str(line.largest_delay), f"{line.alarming:.0%}", f"{line.calm:.0%}")
            table.add_row(line.data, line.drift, found, line.by, *delays, style="red" if missed else None)
        Console().print(table)
    return 0 if all(line.found == line.trials for line in lines) else 1


def measure(rows: Rows, seeds: range) -> Iterator[Line]:
    """Put each drift into a stream of each seed."""
    reference_days = rows.days - ONSET - WATCHED
    watch = Watch(1, reference_days, MAX_DROP, Monitors(min_rows=100))
    for name, (drift, expected) in drifts(COLUMNS[rows.name]).items():
        delays, by, calm_alarms, alarms_after = [], set[str](), 0, 0
        for seed in seeds:
            rng = np.random.default_rng([seed, len(name)])
            calm = rows.on_days(rng.permutation(rows.days))
            onset = reference_days + ONSET
            # Cells are frozen before anything drifts, and later values fall where they fall.
            cells = cells_from(calm.only(calm.day < reference_days))
            moved = drift(calm, calm.day >= onset, rng)
            alarms = [judged.alarms & expected for judged in judge(moved, cells, find(moved, cells), watch)]
            calm_alarms += sum(bool(found) for found in alarms[:ONSET])
            alarms_after += sum(bool(found) for found in alarms[ONSET:])
            later = next((place for place, found in enumerate(alarms[ONSET:]) if found), None)
            if later is not None:
                delays.append(later + 1)
                by |= alarms[ONSET + later]
        median = float(np.median(delays)) if delays else float("nan")
        yield Line(
            data=rows.name,
            drift=name,
            trials=len(seeds),
            found=len(delays),
            by=", ".join(sorted(by)),
            median_delay=median,
            largest_delay=max(delays, default=0),
            alarming=alarms_after / (len(seeds) * WATCHED),
            calm=calm_alarms / (len(seeds) * ONSET),
        )


def drifts(columns: Columns) -> dict[str, tuple[Drift, set[str]]]:
    """List what is put in, and the detectors that have to find it."""
    number, category = columns.number, columns.category
    shifts = {f"shift {size:g} sd": (_shift(number, size), INPUTS) for size in (0.1, 0.3, 0.5, 1.0)}
    return {
        **shifts,
        "gradual, to 1 sd": (_gradual(number), INPUTS),
        "scale 1.3": (_scale(number, 1.3), INPUTS),
        "miles to km": (_scale(columns.distance, 1.609), INPUTS),
        "missing 20 %": (_missing(number, 0.2), INPUTS),
        "category swap 30 %": (_swap(category, 0.3), INPUTS),
        "new category 2 %": (_new(category, 0.02), INPUTS),
        "label shift 1.6": (_more_positive(1.6), QUALITY),
        "concept flip 5 %": (_flip(0.05), QUALITY),
        "concept flip 15 %": (_flip(0.15), QUALITY),
    }


def _numbers(rows: Rows, name: str, values: NDArray[np.float64]) -> Rows:
    place = rows.table.column_names.index(name)
    column = pa.array(values, pa.float64(), mask=np.isnan(values))
    return replace(rows, table=rows.table.set_column(place, name, column))


def _shift(name: str, size: float) -> Drift:
    def drift(rows: Rows, on: Mask, rng: np.random.Generator) -> Rows:
        values = numbers(rows.table[name])
        return _numbers(rows, name, values + on * size * np.nanstd(values))

    return drift


def _gradual(name: str) -> Drift:
    def drift(rows: Rows, on: Mask, rng: np.random.Generator) -> Rows:
        values = numbers(rows.table[name])
        since = rows.day - rows.day[on].min() + 1
        return _numbers(rows, name, values + on * np.minimum(since / 20, 1) * np.nanstd(values))

    return drift


def _scale(name: str, factor: float) -> Drift:
    def drift(rows: Rows, on: Mask, rng: np.random.Generator) -> Rows:
        return _numbers(rows, name, numbers(rows.table[name]) * np.where(on, factor, 1))

    return drift


def _missing(name: str, share: float) -> Drift:
    def drift(rows: Rows, on: Mask, rng: np.random.Generator) -> Rows:
        gone = on & (rng.random(len(on)) < share)
        return _numbers(rows, name, np.where(gone, np.nan, numbers(rows.table[name])))

    return drift


def _texts(rows: Rows, name: str, chosen: Mask, instead: pa.Array) -> Rows:
    place = rows.table.column_names.index(name)
    column = pc.if_else(pa.array(chosen), instead, rows.table[name].combine_chunks())
    return replace(rows, table=rows.table.set_column(place, name, column))


def _swap(name: str, share: float) -> Drift:
    """A share of rows is said to have the category of another row chosen evenly among categories."""

    def drift(rows: Rows, on: Mask, rng: np.random.Generator) -> Rows:
        known = pc.unique(rows.table[name]).drop_null()
        others = known.take(pa.array(rng.integers(0, len(known), len(on))))
        return _texts(rows, name, on & (rng.random(len(on)) < share), others)

    return drift


def _new(name: str, share: float) -> Drift:
    def drift(rows: Rows, on: Mask, rng: np.random.Generator) -> Rows:
        return _texts(rows, name, on & (rng.random(len(on)) < share), pa.array(["never seen"] * len(on)))

    return drift


def _more_positive(factor: float) -> Drift:
    """Raise the share of positive labels, whatever was predicted."""

    def drift(rows: Rows, on: Mask, rng: np.random.Generator) -> Rows:
        share = rows.labels.mean()
        turned = on & (rows.labels < 0.5) & (rng.random(len(on)) < (factor - 1) * share / (1 - share))
        return replace(rows, labels=np.where(turned, 1.0, rows.labels))

    return drift


def _flip(share: float) -> Drift:
    def drift(rows: Rows, on: Mask, rng: np.random.Generator) -> Rows:
        turned = on & (rng.random(len(on)) < share)
        return replace(rows, labels=np.where(turned, 1 - rows.labels, rows.labels))

    return drift


if __name__ == "__main__":
    sys.exit(main())
