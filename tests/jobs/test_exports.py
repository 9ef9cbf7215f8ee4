"""A real model leaves the platform in every form there is and answers the same in each, to the bit."""

import doctest
import json
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from everloop import load_model, models
from everloop.bundle.model import Model
from everloop.export import ExportError, Form, export
from everloop.export.source import Source
from tests.fixtures.flights import Flights, flights
from tests.fixtures.patterns import PATTERNS
from tests.fixtures.registry import RegistryServer, cache_dir

__all__ = ["cache_dir", "flights"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_thousand_rows_are_answered_the_same_in_every_form(pattern: str, flights: Flights, tmp_path: Path) -> None:
    expected = Model.load(flights.bundle_uri, flights.bundle_digest).predict_table(flights.rows)

    scores = PATTERNS[pattern](flights.bundle_uri, flights.bundle_digest, flights.rows, tmp_path)

    assert len(scores) == 1000
    np.testing.assert_array_equal(scores, expected)


def test_the_documented_example_is_true(flights: Flights, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = RegistryServer(flights.definition)
    registry.promote(3, (flights.bundle_uri, flights.bundle_digest))
    monkeypatch.setenv("EVERLOOP_REGISTRY_URL", registry.url)
    try:
        tried = doctest.testmod(models)
    finally:
        registry.stop()

    assert (tried.attempted > 5, tried.failed) == (True, 0)


def test_plain_values_frames_and_tables_get_the_same_scores(flights: Flights) -> None:
    model = load_model(flights.bundle_uri, flights.bundle_digest)
    expected = model.predict(flights.rows)

    for rows in (flights.columns, flights.rows.to_pylist(), flights.rows.to_pandas()):
        np.testing.assert_array_equal(model.predict(rows), expected)
    few = flights.rows.slice(0, 3)
    np.testing.assert_array_equal(model.explain(few).values, model.explain(few.to_pydict()).values)


def test_the_page_beside_the_model_file_says_what_goes_in(flights: Flights, tmp_path: Path) -> None:
    exported = export(Form.ONNX, flights.bundle_uri, flights.bundle_digest, tmp_path / "out", version=3)

    page, example = (exported / "README.md").read_text(), json.loads((exported / "example.json").read_text())
    assert page.startswith("# flight_delays 3\n")
    assert "| input | `features` | float32 | (rows, 17) |" in page
    assert "| 7 | `dew_point_spread_f` | as it is; missing: NaN |" in page
    assert "the probability of `late`" in page
    assert len(example["features"]) == len(example["score"]) > 1


def test_the_same_version_gives_the_same_wheel(flights: Flights, tmp_path: Path) -> None:
    first, second = (
        export(Form.WHEEL, flights.bundle_uri, flights.bundle_digest, tmp_path / place, version=3)
        for place in ("one", "other")
    )

    assert first.name == "flight_delays_model-3-py3-none-any.whl"
    assert first.read_bytes() == second.read_bytes()
    with ZipFile(first) as wheel:
        record = wheel.read("flight_delays_model-3.dist-info/RECORD").decode().splitlines()
        assert {line.split(",")[0] for line in record} == set(wheel.namelist())
        metadata = wheel.read("flight_delays_model-3.dist-info/METADATA").decode().splitlines()
        required = [line.partition(">=")[0] for line in metadata if line.startswith("Requires-Dist: ")]
        assert required == ["Requires-Dist: everloop", "Requires-Dist: pyarrow"]


def test_no_pickle_is_in_an_mlflow_model(flights: Flights, tmp_path: Path) -> None:
    exported = export(Form.MLFLOW, flights.bundle_uri, flights.bundle_digest, tmp_path / "out")

    kinds = {path.suffix for path in exported.rglob("*") if path.is_file()}
    assert kinds <= {"", ".py", ".json", ".md", ".onnx", ".txt", ".yaml", ".zip"}
    required = (exported / "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in required] == [
        *("mlflow", "numpy", "onnxruntime", "pandas", "pyarrow", "pydantic")
    ]


def test_what_answers_otherwise_is_not_handed_out(
    flights: Flights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(source: Source, directory: Path) -> np.ndarray:
        return source.model.predict(source.model.golden.inputs) + 1e-9

    monkeypatch.setattr("everloop.export.onnx.write", wrong)

    with pytest.raises(ExportError, match="answers otherwise as onnx"):
        export(Form.ONNX, flights.bundle_uri, flights.bundle_digest, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_taken_is_left_alone(flights: Flights, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")

    with pytest.raises(ExportError, match="name another"):
        export(Form.MLFLOW, flights.bundle_uri, flights.bundle_digest, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
