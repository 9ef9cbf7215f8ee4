"""From a batch's bytes to rows that are ready to be written, or to the reasons why not. Pure, and deterministic."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from contracts.ingestion import Rule, Violation
from contracts.pipeline import DatasetContract
from contracts.profile import DatasetProfile
from services.ingestion.domain import ENDINGS, format_of
from services.ingestion.profile import profile_rows
from services.ingestion.quarantine import offending_rows
from services.ingestion.reading import UnreadableFileError, read_rows
from services.ingestion.validation import validate


@dataclass(frozen=True, slots=True)
class Accepted:
    """A batch that kept its contract."""

    rows: pa.Table
    profile: DatasetProfile
    ignored_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A batch that broke its contract."""

    violations: tuple[Violation, ...]
    offending: pa.Table | None = None
    schema_changes: tuple[str, ...] = ()


def judge(
    data: bytes, uri: str, contract: DatasetContract, *, now: datetime, max_expanded_bytes: int
) -> Accepted | Refused:
    """Read, validate and profile a batch.

    Args:
        data: The file, byte for byte.
        uri: Where it came from; its ending tells the format.
        contract: What the pipeline expects.
        now: When it arrived.
        max_expanded_bytes: Most bytes it may unfold to.
    """
    file_format = format_of(uri)
    if file_format is None:
        return unreadable(f"the ending tells no known format; known are {', '.join(ENDINGS)}")
    try:
        raw = read_rows(data, file_format, max_expanded_bytes=max_expanded_bytes)
    except UnreadableFileError as error:
        return unreadable(str(error))
    verdict = validate(raw, contract, now=now)
    if verdict.accepted:
        return Accepted(verdict.rows, profile_rows(verdict.rows, contract), verdict.ignored_columns)
    return Refused(verdict.violations, offending_rows(raw, verdict), verdict.schema_changes)


def unreadable(detail: str) -> Refused:
    """Refuse a file that could not be read at all."""
    return Refused((Violation(rule=Rule.READABLE, detail=detail[:500]),))


def retyped(differences: tuple[str, ...]) -> Refused:
    """Refuse rows that keep their contract but do not fit the table: the contract has changed a column's type."""
    detail = f"columns of the dataset have other types; replace the dataset instead: {'; '.join(differences)}"
    changes = tuple(f"retyped column {difference}"[:300] for difference in differences)
    return Refused((Violation(rule=Rule.TYPE, detail=detail[:500]),), schema_changes=changes)
