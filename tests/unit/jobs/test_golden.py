from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from everloop.bundle.code import load_pipeline
from everloop.check import read_sample
from everloop.template import new_pipeline
from ray_jobs import golden
from ray_jobs.dataset import DataError
from ray_jobs.rows import InProcessRows


def test_golden_rows_hold_a_null_and_an_unheard_of_category(tmp_path: Path) -> None:
    folder = new_pipeline("parcels", tmp_path)
    pipeline = load_pipeline(folder)
    rows = read_sample(folder / "sample.csv", pipeline)
    dataset = pipeline.definition.dataset

    chosen = golden.choose(InProcessRows(rows), dataset)
    requests = golden.ask(chosen, lambda table: table["distance_km"].to_numpy(), dataset)

    assert len(requests.scores) == golden.ROWS
    assert None in requests.inputs["weight_kg"]
    assert golden.NEVER_SEEN in requests.inputs["shop"]
    assert requests.scores == requests.inputs["distance_km"]


def test_a_model_that_looks_at_other_rows_is_refused(tmp_path: Path) -> None:
    folder = new_pipeline("parcels", tmp_path)
    pipeline = load_pipeline(folder)
    rows = read_sample(folder / "sample.csv", pipeline).slice(0, 10)

    def share_of_total(table: pa.Table) -> np.ndarray:
        return table["distance_km"].to_numpy() / table["distance_km"].to_numpy().sum()

    with pytest.raises(DataError, match="looks beyond the row"):
        golden.ask(rows, share_of_total, pipeline.definition.dataset)
