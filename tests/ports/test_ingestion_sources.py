"""Files are fetched from where people may point, and from nowhere else."""

import os
from pathlib import Path

import pytest

from services.chassis.errors import RejectedError
from services.ingestion.sources import UriSources


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "batch"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "data" / "par cels.csv"
    file.parent.mkdir()
    file.write_bytes(b"a\n1\n")
    return file


@pytest.mark.parametrize("write", ["{}", "file://{}", "file://localhost{}"])
async def test_local_file_is_copied(data: Path, target: Path, write: str) -> None:
    uri = write.format(str(data) if write == "{}" else str(data).replace(" ", "%20"))

    await UriSources(max_bytes=100).fetch(uri, target)

    assert target.read_bytes() == b"a\n1\n"  # noqa: ASYNC240


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("/nowhere/at/all.csv", "file unreadable"),
        ("/tmp", "not a file"),
        ("/dev/zero", "not a file"),
        ("relative.csv", "uri not supported"),
        ("https://example.org/a.csv", "uri not supported"),
        ("upload:a.csv", "uri not supported"),
        ("file://elsewhere/a.csv", "uri not supported"),
        ("http://[broken/a.csv", "uri malformed"),
        ("/with\0null.csv", "file unreadable"),
    ],
)
async def test_what_cannot_be_fetched_is_refused(target: Path, uri: str, reason: str) -> None:
    with pytest.raises(RejectedError, match=reason):
        await UriSources(max_bytes=100).fetch(uri, target)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_file_without_permission_is_refused(data: Path, target: Path) -> None:
    data.chmod(0)  # noqa: ASYNC240

    with pytest.raises(RejectedError, match="file unreadable"):
        await UriSources(max_bytes=100).fetch(str(data), target)


async def test_file_above_the_bound_is_refused(data: Path, target: Path) -> None:
    with pytest.raises(RejectedError, match="file too large: size_bytes=4, max_bytes=3"):
        await UriSources(max_bytes=3).fetch(str(data), target)


async def test_files_outside_the_allowed_roots_are_refused_links_followed(
    tmp_path: Path, data: Path, target: Path
) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "link.csv").symlink_to(data)
    (allowed / "own.csv").write_bytes(b"b\n")
    sources = UriSources(allowed_roots=(allowed,), max_bytes=100)

    await sources.fetch(str(allowed / "own.csv"), target)

    for outside in (data, allowed / "link.csv", allowed / ".." / "data" / data.name):
        with pytest.raises(RejectedError, match="outside allowed roots"):
            await sources.fetch(str(outside), target)
