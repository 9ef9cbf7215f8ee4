"""The verdict on a batch: every expectation of its contract, judged over whole columns at once."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.ingestion import Rule, Violation
from contracts.pipeline import Column, ColumnRole, ColumnType, DatasetContract
from services.ingestion.casting import CastColumn, RetypedColumnError, cast_column
from services.ingestion.domain import MAX_SCHEMA_CHANGES, MAX_VIOLATIONS
from services.ingestion.identity import row_keys
from services.ingestion.reading import RawRows

SAMPLE_VALUES = 5
MAX_DETAIL = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken expectation and the rows that broke it.

    Attributes:
        offends: True for offending rows, shape (rows,); None where the batch as a whole offends.
    """

    rule: Rule
    column: str | None
    detail: str
    offends: pa.ChunkedArray | pa.Array | None = None
    lines: int = 0

    def violation(self) -> Violation:
        """Say it in the words of the contract."""
        rows = self.lines if self.offends is None else pc.sum(self.offends).as_py() or 0
        return Violation(rule=self.rule, column=self.column, rows=rows, detail=self.detail[:MAX_DETAIL])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What validation made of a batch.

    Attributes:
        rows: Declared columns in declared order and types; only an accepted batch has all of them.
        schema_changes: How the file's columns differ from the contract, harmless differences included.
        ignored_columns: Columns the contract does not declare; they stay in the raw file only.
    """

    rows: pa.Table
    findings: tuple[Finding, ...]
    schema_changes: tuple[str, ...]
    ignored_columns: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether every expectation holds."""
        return not self.findings

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Every broken expectation, up to the number an event may carry."""
        return tuple(finding.violation() for finding in self.findings[:MAX_VIOLATIONS])


def validate(raw: RawRows, contract: DatasetContract, *, now: datetime) -> Verdict:
    """Judge a batch by its contract.

    A column the contract does not declare is left out of the dataset and noted, since nothing can depend on it;
    a missing or retyped one breaks the batch. The event time may never be null: splits and windows need it.

    Args:
        raw: The batch as it came.
        contract: What its pipeline expects.
        now: When the batch arrived; freshness is measured from here.
    """
    declared = {column.name for column in contract.columns}
    ignored = tuple(name for name in raw.table.column_names if name not in declared)
    changes = [f"added column {name} ({raw.table.schema.field(name).type})"[:300] for name in ignored]
    findings = _malformed_lines(raw)
    columns: dict[str, CastColumn] = {}
    for column in contract.columns:
        found, change = _judge_column(raw, column, columns)
        findings += found
        changes += [change] if change else []
    rows = pa.table({name: column.values for name, column in columns.items()})
    findings += _judge_batch(columns, raw.table.num_rows, contract, now)
    return Verdict(rows, tuple(findings), tuple(sorted(changes, key=_breaking_first))[:MAX_SCHEMA_CHANGES], ignored)


def _breaking_first(change: str) -> bool:
    return change.startswith("added")


def _malformed_lines(raw: RawRows) -> list[Finding]:
    if not raw.malformed_count:
        return []
    first = "; ".join(f"line {line.line}: {line.detail}" for line in raw.malformed[:SAMPLE_VALUES])
    return [Finding(Rule.READABLE, None, f"lines that are no rows: {first}", lines=raw.malformed_count)]


def _judge_column(raw: RawRows, column: Column, columns: dict[str, CastColumn]) -> tuple[list[Finding], str | None]:
    """Convert one column into ``columns`` and hold it against its declaration; also say how its schema changed."""
    name = column.name
    if name not in raw.table.column_names:
        detail = f"the file has no column {name}; declared {column.type.value}"
        return [Finding(Rule.MISSING_COLUMN, name, detail)], f"missing column {name} ({column.type.value})"
    original = raw.table.column(name)
    try:
        cast = cast_column(original, column.type, textual=raw.textual, non_finite=column.non_finite)
    except RetypedColumnError as error:
        return [Finding(Rule.TYPE, name, str(error))], f"retyped column {name}: {error}"
    columns[name] = cast
    findings, change = [], None
    failures = pc.sum(cast.failed).as_py() or 0
    if failures:
        detail = f"expected {column.type.value}, found {_sample(original, cast.failed)}"
        findings.append(Finding(Rule.TYPE, name, detail, cast.failed))
        if failures == len(original) - original.null_count:
            change = f"retyped column {name}: declared {column.type.value}, holds other {original.type}"
    missing = pc.and_not(pc.is_null(cast.values), cast.failed)
    findings += _judge_missing(column, missing) + _judge_values(column, cast.values)
    return findings, change


def _judge_missing(column: Column, missing: pa.ChunkedArray) -> list[Finding]:
    nulls = pc.sum(missing).as_py() or 0
    if nulls and (not column.nullable or column.role is ColumnRole.EVENT_TIME):
        return [Finding(Rule.NOT_NULL, column.name, f"expected a value in every row, {nulls} have none", missing)]
    share = nulls / len(missing) if len(missing) else 0.0
    if share > column.max_null_fraction:
        detail = f"expected at most {column.max_null_fraction:.2%} missing, found {share:.2%} ({nulls} rows)"
        return [Finding(Rule.NULL_FRACTION, column.name, detail)]
    return []


def _judge_values(column: Column, values: pa.ChunkedArray) -> list[Finding]:
    findings = []
    bounded = column.minimum is not None or column.maximum is not None
    if bounded and column.type in (ColumnType.INTEGER, ColumnType.NUMBER):
        low = -np.inf if column.minimum is None else column.minimum
        high = np.inf if column.maximum is None else column.maximum
        outside = pc.fill_null(pc.or_(pc.less(values, low), pc.greater(values, high)), False)
        if pc.any(outside).as_py():
            detail = f"expected {low:g} to {high:g}, found {_sample(values, outside)}"
            findings.append(Finding(Rule.RANGE, column.name, detail, outside))
    if column.categories is not None:
        known = pc.is_in(values.cast(pa.string()), pa.array(column.categories, pa.string()))
        unknown = pc.and_not(values.is_valid(), known)
        if pc.any(unknown).as_py():
            allowed = ", ".join(column.categories[:10])
            detail = f"found {_sample(values, unknown)}; expected one of {allowed}"
            findings.append(Finding(Rule.CATEGORY, column.name, detail, unknown))
    return findings


def _judge_batch(columns: dict[str, CastColumn], count: int, contract: DatasetContract, now: datetime) -> list[Finding]:
    findings = []
    if count < contract.min_rows:
        findings.append(Finding(Rule.MIN_ROWS, None, f"expected at least {contract.min_rows} rows, found {count}"))
    if contract.unique and count and set(contract.unique) <= set(columns):
        repeated = _repeated([columns[name] for name in contract.unique])
        if repeated.any():
            detail = f"several rows share the same {', '.join(contract.unique)}"
            findings.append(Finding(Rule.UNIQUE, None, detail, pa.array(repeated)))
    time = contract.event_time.name
    if contract.max_age is not None and time in columns:
        oldest_allowed, newest = now - contract.max_age, pc.max(columns[time].values).as_py()
        if newest is not None and newest < oldest_allowed:
            expected = f"expected rows of {oldest_allowed:%Y-%m-%d %H:%M} UTC or later"
            detail = f"{expected}, the newest is of {newest:%Y-%m-%d %H:%M} UTC"
            findings.append(Finding(Rule.FRESHNESS, time, detail))
    return findings


def _repeated(columns: list[CastColumn]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mark every row whose key another row has too; a key that could not be read is nobody's."""
    keys = row_keys(pa.table({str(place): column.values for place, column in enumerate(columns)}))
    readable = ~np.logical_or.reduce([np.asarray(column.failed) for column in columns])
    repeated: np.ndarray[tuple[int], np.dtype[np.bool_]] = readable & (
        np.bincount(keys[readable], minlength=len(keys))[keys] > 1
    )
    return repeated


def _sample(values: pa.ChunkedArray, mask: pa.ChunkedArray) -> str:
    """Quote a few distinct offending values."""
    found = values.filter(mask).slice(0, 1000).unique()
    quoted = ", ".join(_quote(value) for value in found[:SAMPLE_VALUES])
    return f"{quoted}, …" if len(found) > SAMPLE_VALUES else quoted


def _quote(value: pa.Scalar) -> str:
    try:
        return repr(value.as_py())[:40]
    except (OverflowError, ValueError):
        return "a time beyond the years 1 to 9999"
