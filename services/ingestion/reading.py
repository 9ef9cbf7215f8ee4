"""From a file's bytes to columns as they came; nothing is converted or judged here."""

import csv
import io
import zlib
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from services.ingestion.domain import FileFormat

CSV_BLOCK_BYTES = 16 << 20
MAX_MALFORMED_LINES = 1000
MAX_LINE_LENGTH = 500


class UnreadableFileError(ValueError):
    """The bytes are not a file of the format they claim to be; the message says why."""


@dataclass(frozen=True, slots=True)
class MalformedLine:
    """A line of a CSV file that has more or fewer fields than the header."""

    line: int | None
    text: str
    detail: str


@dataclass(frozen=True, slots=True)
class RawRows:
    """A file's rows before any conversion.

    Attributes:
        table: Parquet columns as stored; CSV columns as text, with empty fields null.
        textual: Whether values are text still to be parsed, as in CSV.
        malformed: Lines that are no rows, at most ``MAX_MALFORMED_LINES`` of them.
        malformed_count: How many such lines there are.
    """

    table: pa.Table
    textual: bool
    malformed: tuple[MalformedLine, ...] = ()
    malformed_count: int = 0


def read_rows(data: bytes, file_format: FileFormat, *, max_expanded_bytes: int) -> RawRows:
    """Read a whole file.

    Args:
        data: The file, byte for byte.
        file_format: What the bytes are taken for.
        max_expanded_bytes: Most bytes the file may unfold to: text of a ``.csv.gz``, values of a Parquet file.

    Raises:
        UnreadableFileError: The file is empty, broken, too large, or names a column twice.
    """
    if not data:
        raise UnreadableFileError("the file is empty (0 bytes)")
    try:
        match file_format:
            case FileFormat.PARQUET:
                rows = _read_parquet(data, max_expanded_bytes)
            case FileFormat.CSV:
                rows = _read_csv(data)
            case FileFormat.CSV_GZ:
                rows = _read_csv(_gunzip(data, max_expanded_bytes))
    except (pa.ArrowException, OSError, csv.Error, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"not a readable {file_format.value} file: {_first_line(error)}") from error
    return rows


def _read_parquet(data: bytes, max_expanded_bytes: int) -> RawRows:
    file = pq.ParquetFile(pa.BufferReader(data))
    groups = range(file.metadata.num_row_groups)
    expanded_bytes = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    if expanded_bytes > max_expanded_bytes:
        raise UnreadableFileError(f"unfolds to {expanded_bytes} bytes; at most {max_expanded_bytes} are read")
    _refuse_repeated(file.schema_arrow.names)
    table = file.read()
    # A broken file may hold text that is no UTF-8, in values, names or time zones; it would surface far from here.
    table.validate(full=True)
    _ = [field.type.tz for field in table.schema if pa.types.is_timestamp(field.type)]
    return RawRows(table, textual=False)


def _read_csv(data: bytes) -> RawRows:
    names = _header(data)
    malformed: list[MalformedLine] = []
    count = 0

    def note(row: pa.csv.InvalidRow) -> str:
        nonlocal count
        count += 1
        if len(malformed) < MAX_MALFORMED_LINES:
            detail = f"{row.actual_columns} fields where the header has {row.expected_columns}"
            malformed.append(MalformedLine(row.number, row.text[:MAX_LINE_LENGTH], detail))
        return "skip"

    table = pa.csv.read_csv(
        pa.BufferReader(data),
        # Several threads would not know the line numbers of malformed lines.
        read_options=pa.csv.ReadOptions(use_threads=False, block_size=CSV_BLOCK_BYTES),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
        ),
    )
    return RawRows(table, textual=True, malformed=tuple(malformed), malformed_count=count)


def _header(data: bytes) -> list[str]:
    with io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="") as text:
        names = next((line for line in csv.reader(text) if line), [])
    if not names or "\0" in "".join(names):
        raise UnreadableFileError("not a readable csv file: it has no header")
    _refuse_repeated(names)
    return names


def _refuse_repeated(names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UnreadableFileError(f"columns occur more than once: {', '.join(repeated[:10])}"[:400])


def _gunzip(data: bytes, max_expanded_bytes: int) -> bytes:
    """Unfold all members of a gzip file, stopping as soon as there is too much."""
    parts: list[bytes] = []
    size_bytes = 0
    rest = data
    while rest.strip(b"\0"):
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            part = member.decompress(rest, max_expanded_bytes - size_bytes + 1)
        except zlib.error as error:
            raise UnreadableFileError(f"not a readable gzip file: {error}") from error
        size_bytes += len(part)
        if size_bytes > max_expanded_bytes:
            raise UnreadableFileError(f"unfolds to more than the {max_expanded_bytes} bytes that are read")
        if not member.eof:
            raise UnreadableFileError("not a readable gzip file: it ends early")
        parts.append(part)
        rest = member.unused_data
    if not size_bytes:
        raise UnreadableFileError("the file is empty once unfolded")
    return b"".join(parts)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
