"""Streams of predictions without drift: rows in cells, scores and labels, dealt out over days."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from contracts.monitoring import DriftKind
from contracts.pipeline import Monitors, PipelineDefinition
from contracts.profile import Cells, FeatureReference, Reference
from everloop.bundle.preparation import numbers
from ray_jobs.pipelines.flight_delays.source import batches
from ray_jobs.profile import category_cells, locate, numeric_cells
from ray_jobs.rows import InProcessRows
from services.monitoring.comparing import compare
from services.monitoring.counting import Baseline
from services.monitoring.domain import WatchedVersion, Window
from services.monitoring.quality import DAY, METRICS, Labelled, QualityVerdict, judge_quality
from services.monitoring.sequence import begin, reference_of, resume
from tests.fakes.monitoring import examples

FEATURES = 20
MODEL_SHARE = 5
"""One day in so many trains the model, and is not seen again."""
METRIC = "auc"
START = datetime(2001, 1, 1, tzinfo=UTC)
FIRST = int(START.timestamp()) * 1_000_000

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Rows that a model has answered; ``day`` counts the days on which they happened, from 0."""

    name: str
    table: pa.Table
    """The features."""
    day: IntArray
    scores: FloatArray
    labels: FloatArray

    @property
    def days(self) -> int:
        """How many days there are."""
        return int(self.day.max()) + 1

    def on_days(self, order: IntArray) -> "Rows":
        """Let the days happen in another order, one after another; those that are not in it are left out."""
        place = np.full(self.days, -1)
        place[order] = np.arange(len(order))
        moved = place[self.day]
        kept = np.flatnonzero(moved >= 0)
        kept = kept[np.argsort(moved[kept], kind="stable")]
        return Rows(self.name, self.table.take(kept), moved[kept], self.scores[kept], self.labels[kept])

    def only(self, chosen: NDArray[np.bool_]) -> "Rows":
        """Leave out rows."""
        kept = np.flatnonzero(chosen)
        return Rows(self.name, self.table.take(kept), self.day[kept], self.scores[kept], self.labels[kept])


@dataclass(frozen=True)
class Watch:
    """How a stream is watched."""

    window_days: int
    reference_days: int
    max_drop: float
    monitors: Monitors
    metric: str = METRIC

    @property
    def definition(self) -> PipelineDefinition:
        """A pipeline with these monitors."""
        definition = examples.definition()
        return definition.model_copy(update={"monitors": self.monitors})


@dataclass(frozen=True)
class Judged:
    """What was said of one window."""

    alarms: frozenset[str]
    """Of input, prediction, recent input, recent prediction, fault, quality."""


def flights() -> Rows:
    """Answer flights with a model that was trained on every fifth day."""
    import lightgbm

    with TemporaryDirectory() as folder:
        table = pa.concat_tables([parquet.read_table(path) for path in batches(Path(folder))]).filter
        table = table(pc.is_valid(pc.field("late")))
    day = table["departs_at"].cast(pa.int64()).to_numpy() // DAY
    day -= day.min()
    labels = numbers(table["late"])
    left_out = {"flight_id", "departs_at", "late", "arrived_at", "flight_number", "tail_number", "destination"}
    features = table.select([name for name in table.column_names if name not in left_out][:FEATURES])
    coded = np.column_stack(
        [
            column.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
            if pa.types.is_string(column.type)
            else numbers(column)
            for column in features.columns
        ]
    )
    train = day % MODEL_SHARE == 0
    settings = {"objective": "binary", "num_leaves": 31, "num_threads": 1, "verbosity": -1, "seed": 1}
    model = lightgbm.train(settings, lightgbm.Dataset(coded[train], labels[train]), num_boost_round=40)
    kept = np.flatnonzero(~train)
    _, dense = np.unique(day[kept], return_inverse=True)
    return Rows("flights", features.take(kept), dense, np.asarray(model.predict(coded[kept])), labels[kept])


def employment(wheel: Path, *, day_rows: int = 1000) -> Rows:
    """Read NannyML's employment data (its own model has answered); a thousand rows, as they come, are a day."""
    with ZipFile(wheel) as archive:

        def read(part: str) -> pa.Table:
            return parquet.read_table(io.BytesIO(archive.read(f"nannyml/datasets/data/employment_MA_{part}.pq")))

        reference, analysis, target = read("reference"), read("analysis"), read("analysis_target")
    table = pa.concat_tables(
        [
            reference.select([*analysis.column_names, "employed"]),
            analysis.join(target, "id").select([*analysis.column_names, "employed"]).sort_by("id"),
        ],
        promote_options="permissive",
    )
    features = table.drop_columns(["id", "year", "prediction", "predicted_probability", "employed"])
    features = pa.table(
        {
            name: column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
            for name, column in zip(features.column_names, features.columns, strict=True)
        }
    )
    day = np.arange(table.num_rows) // day_rows
    return Rows("employment", features, day, numbers(table["predicted_probability"]), numbers(table["employed"]))


def cells_from(rows: Rows) -> dict[str, Cells]:
    """Freeze the cells of all features and of the score."""
    table = _with_score(rows)
    texts = [name for name in table.column_names if pa.types.is_string(table[name].type)]
    known: dict[str, Cells] = dict(
        numeric_cells(InProcessRows(table), [name for name in table.column_names if name not in texts])
    )
    known |= category_cells(InProcessRows(table), texts)
    return {name: known[name] for name in table.column_names}


def find(rows: Rows, cells: dict[str, Cells]) -> IntArray:
    """Find each row's cells; shape (rows, features and the score)."""
    table = _with_score(rows)
    return np.column_stack([locate(table[name], cells[name]) for name in table.column_names])


def _with_score(rows: Rows) -> pa.Table:
    return rows.table.append_column("score", pa.array(rows.scores))


def counted(found: IntArray, groups: IntArray, cells: Sequence[Cells]) -> list[IntArray]:
    """Count rows by group, feature by feature; each of shape (groups, cells)."""
    n_groups, counts = int(groups.max()) + 1, []
    for place, one in enumerate(cells):
        size = len(one.edges) + 2 if one.kind == "numeric" else len(one.values) + 3
        flat = np.bincount(groups * size + found[:, place], minlength=n_groups * size)
        counts.append(flat.reshape(n_groups, size))
    return counts


def judge(rows: Rows, cells: dict[str, Cells], found: IntArray, watch: Watch) -> Iterator[Judged]:
    """Watch a stream: its first days are the reference, the others come window by window.

    Args:
        rows: By day.
        cells: Frozen, of all features and the score.
        found: The cell of each row, shape (rows, features and the score).
        watch: How.
    """
    length = watch.window_days * DAY
    group = rows.day // watch.window_days
    blocks, last = watch.reference_days // watch.window_days, rows.days // watch.window_days
    counts = counted(found, group, list(cells.values()))
    held_out = rows.day < blocks * watch.window_days
    starts = tuple(START + timedelta(days=watch.window_days * block) for block in range(blocks))
    references = [
        FeatureReference(name=name, cells=cells[name], block_counts=tuple(map(tuple, counts[place][:blocks].tolist())))
        for place, name in enumerate(cells)
    ]
    reference = Reference(
        block_starts=starts,
        block_seconds=length / 1e6,
        inputs=tuple(references[:-1]),
        score_block_starts=starts,
        score=references[-1],
        quality={watch.metric: _measure(rows, held_out, watch.metric)},
        quality_blocks={watch.metric: tuple(_measure(rows, group == block, watch.metric) for block in range(blocks))},
    )
    version = WatchedVersion(1, examples.PIPELINE, 1, baseline=Baseline(reference))
    definition, windows = watch.definition, []
    verdicts: list[QualityVerdict | None] = []
    for number in range(blocks, last):
        of_window = group == number
        window = Window(
            1, FIRST + number * length, FIRST + (number + 1) * length, np.concatenate([one[number] for one in counts])
        )
        windows.append(replace(window, predictions=int(of_window.sum())))
        since = window.start - watch.monitors.trailing // timedelta(microseconds=1)
        past = [one for one in windows[:-1] if one.start >= since]
        drift = compare(windows[-1], past, version, definition)
        windows[-1] = replace(windows[-1], drift=drift)
        labelled = Labelled(FIRST + rows.day[of_window] * DAY, rows.scores[of_window], rows.labels[of_window])
        verdicts.append(
            judge_quality(
                labelled,
                predictions=len(labelled.labels),
                metric=watch.metric,
                reference=reference_of(reference, watch.metric),
                max_drop=watch.max_drop,
                confidence=watch.monitors.confidence,
                min_rows=watch.monitors.min_rows,
            )
        )
    before = begin(reference.quality_blocks[watch.metric])
    weighed = resume(before, verdicts, run_length=watch.monitors.quality_run_length)
    for window, quality in zip(windows, weighed, strict=True):
        said = {kind.value: verdict for kind, verdict in window.drift.items()}
        said |= {f"recent {kind}": verdict.recent for kind, verdict in window.drift.items() if verdict.recent}
        if faults := window.drift[DriftKind.INPUT].faults:
            said["fault"] = faults
        alarms = {name for name, verdict in said.items() if verdict.outcome == "alarm"}
        yield Judged(frozenset(alarms | ({"quality"} if quality and quality.outcome == "degraded" else set())))


def _measure(rows: Rows, chosen: NDArray[np.bool_], metric: str) -> float:
    return float(METRICS[metric].parts(rows.scores[chosen], rows.labels[chosen]).mean())
