import io
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.ingestion import Rule
from contracts.pipeline import Column, ColumnType, DatasetContract
from services.ingestion.domain import FileFormat
from services.ingestion.quarantine import REASONS, ROW, offending_rows, to_parquet
from services.ingestion.reading import RawRows, read_rows
from services.ingestion.validation import Verdict, validate
from tests.fakes.ingestion import examples

CONTRACT = examples.contract()


def judged(table: pa.Table, contract: DatasetContract = CONTRACT) -> Verdict:
    return validate(RawRows(table, textual=False), contract, now=examples.NOW)


def judged_csv(data: bytes, contract: DatasetContract = CONTRACT) -> tuple[RawRows, Verdict]:
    raw = read_rows(data, FileFormat.CSV, max_expanded_bytes=1 << 20)
    return raw, validate(raw, contract, now=examples.NOW)


def rules(verdict: Verdict) -> list[tuple[Rule, str | None, int]]:
    return [(violation.rule, violation.column, violation.rows) for violation in verdict.violations]


def with_column(name: str, **changes: object) -> DatasetContract:
    columns = [c.model_copy(update=changes) if c.name == name else c for c in CONTRACT.columns]
    return examples.contract(columns=tuple(columns))


def test_rows_that_keep_the_contract_come_out_typed_in_declared_order() -> None:
    shuffled = examples.rows().select(["late", "carrier", "weight_kg", "sent_at", "parcel"])

    verdict = judged(shuffled)

    assert verdict.accepted
    assert verdict.rows.equals(examples.rows())


def test_csv_and_parquet_of_the_same_rows_give_the_same_rows() -> None:
    _, verdict = judged_csv(examples.csv())

    assert verdict.accepted
    assert verdict.rows.equals(judged(examples.rows()).rows)


def test_every_violation_is_named() -> None:
    harmed = examples.rows(
        6,
        parcel=pa.array([0, 1, 1, 3, None, 5]),
        weight_kg=pa.array([0.5, -1.0, 51.0, None, 2.0, 2.0]),
        carrier=pa.array(["air", "rail", "sea", "mule", "mule", "air"]),
    )

    verdict = judged(harmed, examples.contract(columns=CONTRACT.columns, min_rows=10, max_age=timedelta(days=7)))

    assert rules(verdict) == [
        (Rule.NOT_NULL, "parcel", 1),
        (Rule.RANGE, "weight_kg", 2),
        (Rule.CATEGORY, "carrier", 3),
        (Rule.MIN_ROWS, None, 0),
        (Rule.UNIQUE, None, 2),
        (Rule.FRESHNESS, "sent_at", 0),
    ]
    assert "'rail', 'mule'" in verdict.violations[2].detail


def test_freshness_is_measured_from_now() -> None:
    fresh = examples.contract(max_age=timedelta(days=30))

    assert judged(examples.rows(), fresh).accepted


def test_too_many_missing_values_break_the_batch_as_a_whole() -> None:
    half_missing = examples.rows(4, weight_kg=pa.array([1.0, None, None, 2.0]))

    assert judged(half_missing, with_column("weight_kg", max_null_fraction=0.5)).accepted
    assert rules(judged(half_missing, with_column("weight_kg", max_null_fraction=0.49))) == [
        (Rule.NULL_FRACTION, "weight_kg", 0)
    ]


def test_event_time_must_be_there_even_where_declared_nullable() -> None:
    sent_at = pa.array([examples.START, None], pa.timestamp("us", tz="UTC"))

    verdict = judged(examples.rows(2, sent_at=sent_at), with_column("sent_at", nullable=True))

    assert rules(verdict) == [(Rule.NOT_NULL, "sent_at", 1)]


def test_breaking_schema_change_comes_with_a_diff() -> None:
    changed = examples.rows(weight_kg=pa.array(["1"] * 6), colour=pa.array(["red"] * 6)).drop_columns("late")

    verdict = judged(changed)

    assert rules(verdict) == [(Rule.TYPE, "weight_kg", 0), (Rule.MISSING_COLUMN, "late", 0)]
    assert verdict.schema_changes == (
        "retyped column weight_kg: declared number, holds string",
        "missing column late (boolean)",
        "added column colour (string)",
    )


def test_undeclared_column_is_left_out_and_noted() -> None:
    verdict = judged(examples.rows(colour=pa.array(["red"] * 6)))

    assert verdict.accepted
    assert verdict.ignored_columns == ("colour",)
    assert verdict.rows.column_names == examples.rows().column_names


def test_unparsable_csv_values_offend_row_by_row() -> None:
    _, verdict = judged_csv(examples.csv().replace(b"0.5", b"light"))

    assert rules(verdict) == [(Rule.TYPE, "weight_kg", 1)]
    assert verdict.violations[0].detail == "expected number, found 'light'"


def test_csv_column_of_another_type_altogether_is_a_schema_change() -> None:
    _, verdict = judged_csv(b"parcel,sent_at,weight_kg,carrier,late\nA1,2026-02-01,1,air,yes\nB2,2026-02-01,1,sea,no\n")

    assert rules(verdict) == [(Rule.TYPE, "parcel", 2)]
    assert verdict.schema_changes == ("retyped column parcel: declared integer, holds other string",)


def test_header_without_rows_has_too_few() -> None:
    _, verdict = judged_csv(b"parcel,sent_at,weight_kg,carrier,late\n")

    assert rules(verdict) == [(Rule.MIN_ROWS, None, 0)]


def test_violations_are_bounded() -> None:
    wide = examples.contract(
        columns=(*CONTRACT.columns, *(Column(name=f"extra_{n}", type=ColumnType.NUMBER) for n in range(300)))
    )

    verdict = judged(examples.rows(), wide)

    assert len(verdict.violations) == 200
    assert len(verdict.schema_changes) == 200


def test_offending_rows_are_quarantined_as_they_came_with_their_reasons() -> None:
    raw, verdict = judged_csv(
        b"parcel,sent_at,weight_kg,carrier,late\n"
        b"1,2026-02-01,1,air,yes\n"
        b"x,2026-02-02,99,air,no\n"
        b"2,2026-02-03,1\n"
        b"1,2026-02-04,1,mule,no\n"
    )

    rows = offending_rows(raw, verdict)

    assert rows is not None
    quarantined = pq.read_table(io.BytesIO(to_parquet(rows))).to_pylist()
    assert [(row[ROW], row["parcel"], row[REASONS]) for row in quarantined] == [
        (1, "1", ["unique"]),
        (2, "x", ["type: parcel", "range: weight_kg"]),
        (3, "1", ["category: carrier", "unique"]),
        (None, None, ["readable: line 4: 3 fields where the header has 5: 2,2026-02-03,1"]),
    ]


def test_batch_that_offends_as_a_whole_has_no_rows_to_quarantine() -> None:
    raw = RawRows(examples.rows().drop_columns("late"), textual=False)

    assert offending_rows(raw, validate(raw, CONTRACT, now=examples.NOW)) is None
