"""Uploads are kept whole or not at all."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from everloop import storage
from services.ingestion.spool import Spool
from services.ingestion.uploads import SpooledUploads
from tests.fakes.ingestion.archive import InMemoryArchive


async def pieces(*parts: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if error:
        raise error


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


async def test_pieces_are_kept_as_one_file(spool: Path) -> None:
    archive = InMemoryArchive()

    raw = await SpooledUploads(archive, spool=Spool(spool)).receive(pieces(b"a,b\n", b"", b"1,2\n"))

    assert (raw.digest, raw.size_bytes) == (storage.digest(b"a,b\n1,2\n"), 8)
    assert await archive.raw(raw) == b"a,b\n1,2\n"
    assert list(spool.iterdir()) == []  # noqa: ASYNC240


async def test_upload_that_breaks_off_leaves_nothing(spool: Path) -> None:
    archive = InMemoryArchive()

    with pytest.raises(ConnectionError):
        await SpooledUploads(archive, spool=Spool(spool)).receive(pieces(b"a,b\n", error=ConnectionError()))

    assert archive.files == {}
    assert list(spool.iterdir()) == []  # noqa: ASYNC240


async def test_what_a_killed_process_left_is_swept_up(spool: Path) -> None:
    old, fresh = spool / "old", spool / "fresh"
    for left in (old, fresh):
        left.mkdir(parents=True)
    two_days_ago = time.time() - 2 * 86400
    os.utime(old, (two_days_ago, two_days_ago))

    async with Spool(spool).file():
        pass

    assert list(spool.iterdir()) == [fresh]  # noqa: ASYNC240
