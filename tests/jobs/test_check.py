from pathlib import Path

import pytest

from everloop.check import check
from everloop.template import new_pipeline


def test_a_new_pipeline_passes(tmp_path: Path) -> None:
    report = check(new_pipeline("parcels", tmp_path))

    assert report.passed, report.steps
    assert len(report.steps) == 6
    assert report.training is not None
    assert report.training.metrics["auc"] > 0.6


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    new_pipeline("parcels", tmp_path)

    with pytest.raises(FileExistsError):
        new_pipeline("parcels", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "step", "detail"),
    [
        ('rows["shop"],', 'rows["shop', "pipeline.py is a pipeline", "pipeline fails"),
        (
            "type=ColumnType.NUMBER, minimum=0)",
            "type=ColumnType.BOOLEAN)",
            "the sample keeps the contract",
            "distance_km",
        ),
        (
            'pc.log1p(rows["distance_km"])',
            'pc.subtract(rows["distance_km"], pc.mean(rows["distance_km"]))',
            "a row alone gets the features it gets among others",
            "log_distance is",
        ),
        ('"learning_rate": 0.1', '"leaning_rate": 0.1', "it trains on the sample", "unknown parameters leaning_rate"),
        (
            'AbsoluteGate(metric="auc"',
            'AbsoluteGate(metric="roc"',
            "every gate finds what it asks for",
            "asks for roc, which no run measures",
        ),
    ],
)
def test_a_fault_is_found_at_its_step(tmp_path: Path, old: str, new: str, step: str, detail: str) -> None:
    folder = new_pipeline("parcels", tmp_path)
    source = (folder / "pipeline.py").read_text()
    assert old in source
    (folder / "pipeline.py").write_text(source.replace(old, new))

    report = check(folder)

    assert not report.passed
    assert report.steps[-1].name == step
    assert detail in report.steps[-1].detail
    assert all(earlier.passed for earlier in report.steps[:-1])


def test_a_missing_sample_is_asked_for(tmp_path: Path) -> None:
    folder = new_pipeline("parcels", tmp_path)
    (folder / "sample.csv").unlink()

    report = check(folder)

    assert "put sample.parquet or sample.csv into" in report.steps[-1].detail
