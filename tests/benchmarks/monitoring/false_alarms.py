"""How often the monitors alarm where nothing drifts.

::

    python -m tests.benchmarks.monitoring.false_alarms --employment nannyml-0.13.1-py3-none-any.whl --seeds 10 --json

The wheel is had by ``pip download nannyml --no-deps``; without it there are only flights. Quality is held against its
own held-out value with next to nothing allowed: the edge, where alarms are most frequent.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import betaincinv

from contracts.pipeline import Monitors
from tests.benchmarks.monitoring.streams import Rows, Watch, cells_from, employment, find, flights, judge

TABLE_SEED = 500
"""Seeds of the table; what was tried while the monitors were made used smaller ones."""
DETECTORS = ("input", "prediction", "recent input", "recent prediction", "fault", "quality")
RATE, RUN_LENGTH = 0.05, 1000
DAYS = {"1k": 1, "10k": 10}


@dataclass(frozen=True)
class Line:
    """One detector on one kind of stream."""

    data: str
    permuted: str
    window: str
    detector: str
    windows: int
    alarms: int
    rate: float
    low: float
    high: float
    stated: float

    @property
    def kept(self) -> bool:
        """Tell whether the stated rate is not refuted."""
        return self.low <= self.stated


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--employment", type=Path, help="NannyML's wheel")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--first-seed", type=int, default=TABLE_SEED)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data = [flights()]
    if options.employment:
        data.append(employment(options.employment))
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    lines = [line for rows in data for line in measure(rows, seeds)]
    if options.employment:
        lines.append(real(data[-1]))
    show(lines, as_json=options.json)
    return 0 if all(line.kept for line in lines) else 1


def measure(rows: Rows, seeds: range) -> Iterator[Line]:
    """Deal rows out anew for each seed, and watch."""
    cells = cells_from(rows)
    found = find(rows, cells)
    for window, days in DAYS.items():
        watch = Watch(window_days=days, reference_days=rows.days * 3 // 4, max_drop=1e-6, monitors=_monitors(days))
        for permuted in ("rows", "days"):
            alarms, windows = dict.fromkeys(DETECTORS, 0), 0
            for seed in seeds:
                order = _order(rows, permuted, np.random.default_rng([seed, days]))
                dealt = Rows(
                    rows.name, rows.table, np.sort(_days(rows, permuted, order)), rows.scores[order], rows.labels[order]
                )
                for judged in judge(dealt, cells, found[order], watch):
                    windows += 1
                    for name in judged.alarms:
                        alarms[name] += 1
            for name, count in alarms.items():
                yield _line(rows.name, permuted, window, name, windows, count)


def real(rows: Rows) -> Line:
    """Watch the stream as it happened; its quality is said to be good throughout."""
    cells = cells_from(rows)
    found = find(rows, cells)
    watch = Watch(window_days=1, reference_days=68, max_drop=0.01, monitors=_monitors(1))
    said = [judged.alarms for judged in judge(rows, cells, found, watch)]
    return _line(rows.name, "as it was", "1k", "quality", len(said), sum("quality" in alarms for alarms in said))


def show(lines: list[Line], *, as_json: bool) -> None:
    """Print the lines."""
    if as_json:
        json.dump([{**asdict(line), "kept": line.kept} for line in lines], sys.stdout, indent=1)
        return
    table = Table("data", "permuted", "window", "detector", "windows", "alarms", "rate", "95 % interval", "stated")
    for line in lines:
        interval = f"{line.low:.2%} to {line.high:.2%}"
        cells = (line.data, line.permuted, line.window, line.detector, str(line.windows), str(line.alarms))
        table.add_row(*cells, f"{line.rate:.2%}", interval, f"{line.stated:.2%}", style=None if line.kept else "red")
    Console().print(table)


def _monitors(days: int) -> Monitors:
    # Of ten days each, a year has too few blocks to state one in twenty.
    return Monitors(min_rows=100, false_alarm_rate=RATE if days == 1 else 2 * RATE, quality_run_length=RUN_LENGTH)


def _order(rows: Rows, permuted: str, rng: np.random.Generator) -> np.ndarray:
    if permuted == "rows":
        return rng.permutation(len(rows.day))
    return np.argsort(rng.permutation(rows.days)[rows.day], kind="stable")


def _days(rows: Rows, permuted: str, order: np.ndarray) -> np.ndarray:
    if permuted == "rows":
        return rows.day
    sizes = np.bincount(rows.day)
    runs = rows.day[order]
    starts = np.flatnonzero(np.diff(runs, prepend=-1))
    return np.repeat(np.arange(len(sizes)), np.diff(np.append(starts, len(runs))))


def _line(data: str, permuted: str, window: str, detector: str, windows: int, alarms: int) -> Line:
    stated = 1 / RUN_LENGTH if detector == "quality" else (RATE if window == "1k" else 2 * RATE)
    low = float(betaincinv(alarms, windows - alarms + 1, 0.025)) if alarms else 0.0
    high = float(betaincinv(alarms + 1, max(windows - alarms, 1), 0.975)) if alarms < windows else 1.0
    return Line(data, permuted, window, detector, windows, alarms, alarms / windows, low, high, stated)


if __name__ == "__main__":
    sys.exit(main())
