"""Raw files, quarantines and profiles come back as they were kept, in memory and in the store."""

from pathlib import Path
from uuid import uuid4

import pytest

from everloop import storage
from services.chassis.errors import TransientError
from services.ingestion.archive import StoredArchive
from services.ingestion.ports import Archive
from services.ingestion.profile import profile_rows
from tests.fakes.ingestion import examples
from tests.fakes.ingestion.archive import InMemoryArchive


@pytest.fixture(params=["memory", "store"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    return InMemoryArchive() if request.param == "memory" else StoredArchive(str(tmp_path / "store"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "batch"
    file.write_bytes(examples.parquet())
    return file


async def test_raw_bytes_are_kept_under_their_digest(archive: Archive, file: Path) -> None:
    raw = await archive.keep(file)

    assert raw.digest == storage.digest(examples.parquet())
    assert raw.uri.endswith(f"raw/{raw.digest.removeprefix('sha256:')}")
    assert await archive.raw(raw) == examples.parquet()
    assert await archive.keep(file) == raw


async def test_quarantined_rows_come_back(archive: Archive) -> None:
    uri = await archive.quarantine(examples.PIPELINE, uuid4(), examples.rows(6))

    assert (await archive.quarantined(uri, limit=2)).equals(examples.rows(2))


async def test_profile_comes_back(archive: Archive) -> None:
    profile = profile_rows(examples.rows(), examples.contract())

    uri = await archive.put_profile(examples.PIPELINE, 3, profile)

    assert await archive.profile(uri) == profile


async def test_raw_file_is_never_written_again(tmp_path: Path, file: Path) -> None:
    archive = StoredArchive(str(tmp_path / "store"))
    kept = Path((await archive.keep(file)).uri)
    written_ns = kept.stat().st_mtime_ns  # noqa: ASYNC240

    await archive.keep(file)

    assert kept.stat().st_mtime_ns == written_ns  # noqa: ASYNC240


async def test_damaged_raw_file_is_not_ingested(tmp_path: Path, file: Path) -> None:
    archive = StoredArchive(str(tmp_path / "store"))
    raw = await archive.keep(file)
    Path(raw.uri).write_bytes(b"other bytes")  # noqa: ASYNC240

    with pytest.raises(TransientError, match="damaged"):
        await archive.raw(raw)
