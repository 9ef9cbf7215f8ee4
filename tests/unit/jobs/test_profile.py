from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from contracts.pipeline import Monitors
from contracts.profile import CategoryCells, NumericCells
from everloop.bundle.code import load_pipeline
from everloop.check import read_sample
from everloop.template import new_pipeline
from ray_jobs.evaluate import evaluate_blocks
from ray_jobs.profile import category_cells, locate, make_reference, numeric_cells
from ray_jobs.rows import InProcessRows


def test_a_number_is_cut_into_cells_of_equal_weight() -> None:
    values = pa.chunked_array([pa.array(np.random.default_rng(1).normal(size=32_000))])

    cells = numeric_cells(InProcessRows(pa.table({"size": values})), ["size"])["size"]

    counts = np.bincount(locate(values, cells), minlength=33)
    assert len(cells.edges) == 31
    assert counts[:32].min() > 990
    assert counts[32] == 0


def test_missing_and_outlying_numbers_have_their_cells() -> None:
    cells = NumericCells(edges=(1.0, 2.0))

    assert locate(pa.chunked_array([pa.array([0.0, 1.0, 2.0, 9.0, None])]), cells).tolist() == [0, 1, 2, 2, 3]


def test_repeated_quantiles_are_one_edge() -> None:
    cells = numeric_cells(InProcessRows(pa.table({"rain": [0.0] * 99 + [1.0]})), ["rain"])["rain"]

    assert cells.edges == ()


def test_frequent_categories_are_listed_and_the_rest_told_apart() -> None:
    names = [f"c{place:02d}" for place in range(60) for _ in range(60 - place)]
    cells = category_cells(InProcessRows(pa.table({"shop": names})), ["shop"])["shop"]

    column = pa.chunked_array([pa.array(["c00", "c49", "c55", "never", None])])
    assert cells.values[:2] == ("c00", "c01")
    assert len(cells.values) == 50
    assert locate(column, cells).tolist() == [0, 49, 50, 51, 52]


def test_truth_values_are_categories() -> None:
    rows = InProcessRows(pa.table({"fragile": [True, True, False]}))

    assert category_cells(rows, ["fragile"])["fragile"] == CategoryCells(values=("true", "false"))


def test_a_reference_counts_every_row_once_in_blocks_of_the_monitors_window(tmp_path) -> None:
    folder = new_pipeline("parcels", tmp_path)
    pipeline = load_pipeline(folder)
    rows = read_sample(folder / "sample.csv", pipeline)
    definition = pipeline.definition.model_copy(update={"monitors": Monitors(window=timedelta(days=5))})
    scored = rows.slice(400).append_column("score", pa.array(np.linspace(0, 1, 200)))

    reference = make_reference(
        InProcessRows(rows), InProcessRows(scored), definition, {"auc": 0.7}, {"auc": (0.6, 0.8)}
    )

    assert [feature.name for feature in reference.inputs] == ["shop", "weight_kg", "distance_km"]
    assert {sum(map(sum, feature.block_counts)) for feature in reference.inputs} == {600}
    assert sum(map(sum, reference.score.block_counts)) == 200
    assert len(reference.score.block_counts) == len(reference.score_block_starts)
    steps = {
        later - earlier for earlier, later in zip(reference.block_starts, reference.block_starts[1:], strict=False)
    }
    assert steps == {timedelta(days=5)}
    assert reference.block_starts[0] <= datetime(2026, 1, 1, tzinfo=UTC)


def test_quality_is_measured_in_each_block_that_has_labels_enough(tmp_path) -> None:
    pipeline = load_pipeline(new_pipeline("parcels", tmp_path))
    watch = Monitors(window=timedelta(days=1), min_rows=50)
    definition = pipeline.definition.model_copy(update={"monitors": watch})
    days = np.repeat([0, 1, 2], [60, 60, 30])
    labels = np.arange(150) % 2
    scored = pa.table(
        {
            definition.dataset.event_time.name: pa.array(days * 86_400_000_000, pa.timestamp("us", "UTC")),
            definition.dataset.label.name: pa.array(labels.astype(bool)),
            "score": np.where(days == 0, labels, 1.0 - labels),
        }
    )

    assert evaluate_blocks(scored, definition)["auc"] == (1.0, 0.0)
