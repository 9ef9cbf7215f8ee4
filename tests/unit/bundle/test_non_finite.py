"""What NaN and infinities mean is said once, in the contract, and every way in obeys: files, requests, batches."""

import struct
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import pyarrow as pa
import pytest

from contracts.pipeline import Column, ColumnRole, ColumnType, DatasetContract, NonFinite
from everloop.bundle.asking import Columns
from everloop.bundle.rows import InputError, feature_rows, signature_of, typed_rows
from services.ingestion.reading import RawRows
from services.ingestion.validation import validate
from services.serving.replica.errors import RequestError
from services.serving.replica.protocol import parse
from services.serving.replica.reading import Reader

NOW = datetime(2013, 1, 1, tzinfo=UTC)
NAN, INFINITY = float("nan"), float("inf")
REFUSED = "refused"
Verdict = float | str | None
"""The number, None for missing, or that it is refused."""


def contract(non_finite: NonFinite, *, nullable: bool) -> DatasetContract:
    return DatasetContract(
        columns=(
            Column(name="x", type=ColumnType.NUMBER, nullable=nullable, non_finite=non_finite),
            Column(name="at", type=ColumnType.TIMESTAMP, role=ColumnRole.EVENT_TIME),
            Column(name="y", type=ColumnType.NUMBER, role=ColumnRole.LABEL),
        )
    )


def in_parquet(value: float, dataset: DatasetContract) -> Verdict:
    return in_file(pa.array([value]), dataset, textual=False)


def in_csv(value: float, dataset: DatasetContract) -> Verdict:
    return in_file(pa.array([str(value)]), dataset, textual=True)


def in_file(values: pa.Array, dataset: DatasetContract, *, textual: bool) -> Verdict:
    others = {"at": ["2013-01-01T00:00:00Z"], "y": ["1"]} if textual else {"at": pa.array([NOW]), "y": [1.0]}
    verdict = validate(RawRows(pa.table({"x": values, **others}), textual=textual), dataset, now=NOW)
    return verdict.rows["x"][0].as_py() if verdict.accepted else REFUSED


def in_columns(value: float, dataset: DatasetContract) -> Verdict:
    columns: Columns = {"x": [value]}
    try:
        return feature_rows(columns, dataset)["x"][0].as_py()
    except InputError:
        return REFUSED


def in_table(value: float, dataset: DatasetContract) -> Verdict:
    try:
        return typed_rows(pa.table({"x": [value]}), dataset)["x"][0].as_py()
    except InputError:
        return REFUSED


def in_binary_tensor(value: float, dataset: DatasetContract) -> Verdict:
    tensor = {"name": "x", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": 8}}
    head = orjson.dumps({"inputs": [tensor]})
    asked = parse(head + struct.pack("<d", value), str(len(head)))
    try:
        return Reader(signature_of(dataset), event_time=None, max_rows=1).of_tensors(asked.tensors, 8).columns["x"][0]
    except RequestError:
        return REFUSED


@pytest.mark.parametrize("way", [in_parquet, in_csv, in_columns, in_table, in_binary_tensor])
@pytest.mark.parametrize(
    ("non_finite", "nan", "infinity"),
    [
        (NonFinite.REFUSE, REFUSED, REFUSED),
        (NonFinite.NAN_IS_MISSING, None, REFUSED),
        (NonFinite.MISSING, None, None),
    ],
)
def test_every_way_in_obeys_the_policy(
    way: Callable[[float, DatasetContract], Verdict], non_finite: NonFinite, nan: Verdict, infinity: Verdict
) -> None:
    dataset = contract(non_finite, nullable=True)

    assert [way(value, dataset) for value in (NAN, INFINITY, -INFINITY, 1.5)] == [nan, infinity, infinity, 1.5]


@pytest.mark.parametrize("way", [in_parquet, in_csv, in_columns, in_binary_tensor])
@pytest.mark.parametrize("non_finite", NonFinite)
def test_missing_is_refused_where_the_column_is_not_nullable(
    way: Callable[[float, DatasetContract], Verdict], non_finite: NonFinite
) -> None:
    dataset = contract(non_finite, nullable=False)

    assert [way(value, dataset) for value in (NAN, INFINITY, 1.5)] == [REFUSED, REFUSED, 1.5]
