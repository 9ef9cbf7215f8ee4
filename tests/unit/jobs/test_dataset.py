from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from contracts.bundle import DatasetRef
from contracts.jobs import Engine
from contracts.pipeline import Column, ColumnRole, ColumnType, DatasetContract, TimeSplit
from everloop import storage
from ray_jobs.dataset import DataError, ordered, read, split
from ray_jobs.rows import InProcessRows

DATASET = DatasetContract(
    columns=(
        Column(name="key", type=ColumnType.STRING, role=ColumnRole.ID),
        Column(name="at", type=ColumnType.TIMESTAMP, role=ColumnRole.EVENT_TIME),
        Column(name="size", type=ColumnType.NUMBER),
        Column(name="late", type=ColumnType.BOOLEAN, role=ColumnRole.LABEL, nullable=True),
    )
)
START = datetime(2026, 1, 1, tzinfo=UTC)


def table(hours: list[int], late: list[bool | None] | None = None) -> pa.Table:
    return pa.table(
        {
            "key": [f"k{place}" for place in range(len(hours))],
            "at": pa.array([START + timedelta(hours=hour) for hour in hours], pa.timestamp("us", tz="UTC")),
            "size": [float(hour) for hour in hours],
            "late": pa.array(late or [True] * len(hours), pa.bool_()),
        }
    )


def test_older_rows_train_and_the_newest_are_held_out() -> None:
    hours = [*range(99, -1, -1)]

    parts = split(InProcessRows(table(hours)), DATASET, TimeSplit(validation_fraction=0.2, holdout_fraction=0.1))

    assert [part.report.rows for part in (parts.train, parts.validation, parts.holdout)] == [70, 20, 10]
    assert parts.train.report.end < parts.validation.report.start
    assert parts.validation.report.end < parts.holdout.report.start
    assert pc.min(parts.holdout.rows.collect()["size"]).as_py() == 90


def test_rows_of_one_instant_stay_together() -> None:
    hours = [hour // 10 for hour in range(100)]

    parts = split(InProcessRows(table(hours)), DATASET, TimeSplit(validation_fraction=0.25, holdout_fraction=0.25))

    seen = [set(part.rows.collect()["size"].to_pylist()) for part in (parts.train, parts.validation, parts.holdout)]
    assert not seen[0] & seen[1]
    assert not seen[1] & seen[2]
    assert sum(part.report.rows for part in (parts.train, parts.validation, parts.holdout)) == 100


def test_rows_without_a_label_are_dropped() -> None:
    late = [None if hour % 2 else True for hour in range(100)]

    parts = split(InProcessRows(table([*range(100)], late)), DATASET, TimeSplit())

    assert sum(part.report.rows for part in (parts.train, parts.validation, parts.holdout)) == 50
    assert parts.train.rows.collect()["late"].null_count == 0


@pytest.mark.parametrize(
    ("rows", "reason"), [(table([1, 2], [None, None]), "no row has a label"), (table([5] * 9), "empty")]
)
def test_data_that_cannot_be_split_is_refused(rows: pa.Table, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        split(InProcessRows(rows), DATASET, TimeSplit())


def test_the_order_of_rows_does_not_depend_on_how_they_were_stored() -> None:
    rows = table([3, 1, 2, 2])

    assert ordered(rows.take([3, 0, 2, 1]), DATASET) == ordered(rows, DATASET)


def test_an_older_version_is_read_as_it_was(tmp_path: Path) -> None:
    uri = str(tmp_path / "lake")
    write_deltalake(uri, table([1, 2]))
    write_deltalake(uri, table([3]), mode="append")
    dataset = DatasetRef(version=1, digest=storage.digest(b""), table_uri=uri, delta_version=0)

    rows = read(dataset, DATASET)

    assert rows.engine is Engine.IN_PROCESS
    assert rows.collect()["size"].to_pylist() == [1.0, 2.0]


def test_a_table_without_a_declared_column_is_refused(tmp_path: Path) -> None:
    uri = str(tmp_path / "lake")
    write_deltalake(uri, table([1, 2]).drop_columns(["size"]))

    with pytest.raises(DataError, match="lacks size"):
        read(DatasetRef(version=1, digest=storage.digest(b""), table_uri=uri, delta_version=0), DATASET)
