"""Offending rows as they came, each with its reasons, as a table a person can read."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from services.ingestion.reading import MalformedLine, RawRows
from services.ingestion.validation import Finding, Verdict

ROW = "_everloop_row"
"""Place of the row among the file's readable rows, from 1; null for a line that is no row."""

REASONS = "_everloop_reasons"
"""Every expectation the row broke."""


def offending_rows(raw: RawRows, verdict: Verdict) -> pa.Table | None:
    """Collect the rows to look at; None where only the batch as a whole offends."""
    by_row = [finding for finding in verdict.findings if finding.offends is not None]
    if not by_row and not raw.malformed:
        return None
    places, reasons = _reasons(by_row)
    rows = raw.table.take(pa.array(places)) if len(places) else raw.table.slice(0, 0)
    rows = rows.add_column(0, ROW, pa.array(places + 1, pa.int64())).add_column(1, REASONS, reasons)
    if not raw.malformed:
        return rows
    return pa.concat_tables([rows, _lines(raw.malformed)], promote_options="default")


def to_parquet(rows: pa.Table) -> bytes:
    """Encode rows as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(rows, sink, compression="zstd")
    return sink.getvalue()


def readable(rows: pa.Table) -> list[dict[str, object]]:
    """Turn rows into plain values; times into text, since offending ones may be beyond what Python can say."""
    for place, field in enumerate(rows.schema):
        if pt.is_temporal(field.type):
            known = pa.timestamp(field.type.unit, tz="UTC") if pt.is_timestamp(field.type) else field.type
            rows = rows.set_column(place, field.name, rows.column(place).cast(known).cast(pa.string()))
    plain: list[dict[str, object]] = rows.to_pylist()
    return plain


def _reasons(findings: list[Finding]) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], pa.ListArray]:
    """List the offending rows' places, ascending, and each one's reasons."""
    if not findings:
        return np.empty(0, dtype=np.int64), pa.array([], pa.list_(pa.string()))
    hits = [np.flatnonzero(np.asarray(finding.offends)) for finding in findings]
    every_place = np.concatenate(hits)
    which = np.repeat(np.arange(len(findings)), [len(hit) for hit in hits])
    order = np.argsort(every_place, kind="stable")
    places, starts = np.unique(every_place[order], return_index=True)
    names = pa.array([f"{finding.rule.value}{f': {finding.column}' if finding.column else ''}" for finding in findings])
    offsets = pa.array(np.append(starts, len(order)), pa.int32())
    return places, pa.ListArray.from_arrays(offsets, names.take(pa.array(which[order])))


def _lines(malformed: tuple[MalformedLine, ...]) -> pa.Table:
    reasons = [[f"readable: line {line.line}: {line.detail}: {line.text}"] for line in malformed]
    return pa.table({ROW: pa.nulls(len(reasons), pa.int64()), REASONS: pa.array(reasons, pa.list_(pa.string()))})
