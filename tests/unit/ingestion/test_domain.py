from datetime import timedelta

import pytest

from contracts.ingestion import IngestMode
from services.ingestion.domain import FileFormat, chain_digest, current_chain, format_of, holder_of
from tests.fakes.ingestion import examples

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("uri", "file_format"),
    [
        ("/data/Flights.PARQUET", FileFormat.PARQUET),
        ("s3://bucket/flights.csv", FileFormat.CSV),
        ("file:///data/flights.csv.gz", FileFormat.CSV_GZ),
        ("upload:flights.csv", FileFormat.CSV),
        ("/data/flights.xlsx", None),
        ("/data/flights", None),
    ],
)
def test_format_is_told_by_the_ending(uri: str, file_format: FileFormat | None) -> None:
    assert format_of(uri) is file_format


def test_digest_names_the_raw_files_in_their_order() -> None:
    appended = chain_digest(A, B, IngestMode.APPEND)

    assert chain_digest(None, A, IngestMode.APPEND) == A
    assert chain_digest(A, B, IngestMode.REPLACE) == B
    assert appended != chain_digest(B, A, IngestMode.APPEND)
    assert appended.startswith("sha256:")
    assert len(appended) == len(A)


def test_chain_begins_at_the_last_replacement() -> None:
    versions = [examples.version(1), examples.version(2, mode=IngestMode.REPLACE), examples.version(3)]

    assert [version.version for version in current_chain(versions)] == [2, 3]


def test_appending_bytes_of_the_chain_adds_nothing() -> None:
    chain = [examples.version(1, raw_digest=A), examples.version(2, raw_digest=B)]

    assert holder_of(A, IngestMode.APPEND, chain) == chain[0]
    assert holder_of(A, IngestMode.REPLACE, chain) is None
    assert holder_of(A, IngestMode.REPLACE, chain[:1]) == chain[0]
    assert holder_of(A, IngestMode.APPEND, []) is None


def test_failures_are_put_off_longer_each_time_up_to_a_bound() -> None:
    batch, waits = examples.batch(), []
    for _ in range(14):
        batch = batch.failed("no answer", now=examples.NOW)
        waits.append(batch.retry_at - examples.NOW)

    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(seconds=0.5), timedelta(minutes=5))
