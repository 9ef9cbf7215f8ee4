import gzip

import pyarrow as pa
import pytest

from services.ingestion.domain import FileFormat
from services.ingestion.reading import UnreadableFileError, read_rows
from tests.fakes.ingestion import examples

PLENTY = 1 << 20


@pytest.mark.parametrize(
    ("data", "file_format"),
    [
        (examples.parquet(), FileFormat.PARQUET),
        (examples.csv(), FileFormat.CSV),
        (b"\xef\xbb\xbf" + examples.csv(), FileFormat.CSV),
        (examples.csv_gz(), FileFormat.CSV_GZ),
        (gzip.compress(examples.csv()[:50]) + gzip.compress(examples.csv()[50:]), FileFormat.CSV_GZ),
    ],
)
def test_every_row_and_column_is_read(data: bytes, file_format: FileFormat) -> None:
    found = read_rows(data, file_format, max_expanded_bytes=PLENTY)

    assert found.table.column_names == examples.rows().column_names
    assert found.table.num_rows == 6
    assert found.malformed == ()


def test_csv_values_stay_text_and_line_breaks_in_quotes_do_not_end_a_row() -> None:
    found = read_rows(b'code,note\n007,"two\nlines"\n,\n', FileFormat.CSV, max_expanded_bytes=PLENTY)

    assert found.table.to_pylist() == [{"code": "007", "note": "two\nlines"}, {"code": None, "note": None}]


def test_lines_with_other_numbers_of_fields_are_set_aside() -> None:
    found = read_rows(b"a,b\n1,2\n3\n4,5,6\n7,8\n", FileFormat.CSV, max_expanded_bytes=PLENTY)

    assert found.table.column("a").to_pylist() == ["1", "7"]
    assert [(line.line, line.text) for line in found.malformed] == [(3, "3"), (4, "4,5,6")]
    assert found.malformed_count == 2


@pytest.mark.parametrize(
    ("data", "file_format", "reason"),
    [
        (b"", FileFormat.PARQUET, "empty"),
        (b"", FileFormat.CSV, "empty"),
        (gzip.compress(b""), FileFormat.CSV_GZ, "empty"),
        (b"\n\n", FileFormat.CSV, "no header"),
        (b"PAR1 not really PAR1", FileFormat.PARQUET, "not a readable parquet file"),
        (examples.parquet()[:-20], FileFormat.PARQUET, "not a readable parquet file"),
        (b"a,b\n\xff\xfe,1\n", FileFormat.CSV, "not a readable csv file"),
        (examples.parquet(), FileFormat.CSV, "not a readable csv file"),
        (b"a,b\n1,2\n", FileFormat.CSV_GZ, "not a readable gzip file"),
        (examples.csv_gz()[:-10], FileFormat.CSV_GZ, "ends early"),
        (b"a,b,a\n1,2,3\n", FileFormat.CSV, "more than once: a"),
        (gzip.compress(b"a\n" + b"1\n" * PLENTY), FileFormat.CSV_GZ, "unfolds to more"),
        (examples.parquet(pa.table({"a": list(range(PLENTY))})), FileFormat.PARQUET, "at most"),
    ],
)
def test_broken_file_is_refused_with_its_reason(data: bytes, file_format: FileFormat, reason: str) -> None:
    with pytest.raises(UnreadableFileError, match=reason):
        read_rows(data, file_format, max_expanded_bytes=PLENTY)
