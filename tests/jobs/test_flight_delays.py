from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc
import pytest
from pyarrow import parquet

from everloop.bundle.code import load_pipeline
from everloop.check import check, read_sample
from ray_jobs import pipelines
from ray_jobs.pipelines.flight_delays.source import batches

FOLDER = Path(pipelines.__path__[0]) / "flight_delays"


@pytest.fixture(scope="module")
def january(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = batches(tmp_path_factory.mktemp("flights"), months=(1,))
    return path


def test_a_month_is_whole_and_every_flight_is_named_once(january: Path) -> None:
    flights = parquet.read_table(january)

    assert flights.num_rows == 27_004
    assert len(flights["flight_id"].unique()) == 27_004
    assert read_sample(january, load_pipeline(FOLDER)).num_rows == 27_004


def test_local_times_become_utc_at_both_ends(january: Path) -> None:
    flights = parquet.read_table(january)

    # 05:15 in Newark; 08:19 plus 11 minutes in Houston.
    (flight,) = flights.filter(pc.equal(flights["flight_id"], "2013-01-01T05:15-EWR-UA-1545")).to_pylist()
    assert flight["departs_at"] == datetime(2013, 1, 1, 10, 15, tzinfo=UTC)
    assert flight["duration_minutes"] == 244
    assert flight["arrived_at"] == datetime(2013, 1, 1, 14, 30, tzinfo=UTC)
    assert flight["late"] is False


def test_a_cancelled_flight_has_no_outcome(january: Path) -> None:
    flights = parquet.read_table(january)

    unknown = flights.filter(pc.is_null(flights["late"]))
    assert unknown.num_rows == 606
    assert unknown["arrived_at"].null_count == unknown.num_rows


def test_a_sample_is_the_same_every_time(tmp_path: Path) -> None:
    (first,), (second,) = (batches(tmp_path / name, months=(2,), sample=0.1) for name in ("one", "other"))

    assert first.read_bytes() == second.read_bytes()
    assert parquet.read_metadata(first).num_rows == pytest.approx(2495, rel=0.1)


def test_nothing_that_happens_after_departure_is_a_feature() -> None:
    features = {column.name for column in load_pipeline(FOLDER).definition.dataset.features}

    assert not features & {"late", "arrived_at", "departs_at"}
    assert not [name for name in features if "delay" in name or "actual" in name or "air_time" in name]


def test_the_shipped_pipeline_passes_its_check() -> None:
    report = check(FOLDER)

    assert report.passed, report.steps
