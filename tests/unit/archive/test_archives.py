"""An archive holds everything a version needs, and whatever is wrong with one is found before anything is written."""

import json
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from deltalake import DeltaTable

from contracts.archive import INDEX
from contracts.bundle import MANIFEST
from everloop import storage
from everloop.archive import ArchiveError, contents_of, open_archive, place
from everloop.bundle.manifest import verify
from tests.fixtures.archives import NUMBER, archive_of, files_below, leave_version, record_of

Members = dict[str, bytes]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "flights.zip"
    archive_of(leave_version(tmp_path / "there"), path)
    return path


def take_in(path: Path, store: Path) -> None:
    with open_archive(path) as archive:
        for _ in archive.verify():
            pass
        place(archive, str(store))


def rewritten(path: Path, change: Callable[[Members], None], *, compression: int = 0) -> Path:
    """Write an archive again with other members; whoever does this does not sign it."""
    with ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    other = path.with_name("changed.zip")
    with ZipFile(other, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return other


def listed(members: Members, name: str, content: bytes) -> None:
    """Put a member in and name it in the index, as somebody with evil in mind would."""
    index = json.loads(members[INDEX])
    index["files"] = [file for file in index["files"] if file["path"] != name]
    index["files"].append({"path": name, "digest": storage.digest(content), "size_bytes": len(content)})
    members |= {name: content, INDEX: json.dumps(index).encode()}


def test_what_is_placed_elsewhere_is_what_was_archived(tmp_path: Path) -> None:
    run = leave_version(tmp_path / "there")
    archive_of(run, tmp_path / "flights.zip")

    with open_archive(tmp_path / "flights.zip") as archive:
        checked = [file.path for file in archive.verify()]
        placed = place(archive, str(tmp_path / "here"))
        record = archive.record

    assert len(checked) == len(set(checked)) > 10
    assert (record.version, placed.bundle_digest) == (NUMBER, run.bundle_digest)
    assert verify(placed.bundle_uri, run.bundle_digest) == verify(run.bundle_uri, run.bundle_digest)
    assert storage.digest_at(placed.report_uri) == placed.report_digest == run.report_digest
    rows = DeltaTable(str(tmp_path / "here" / "runs" / str(run.run_id) / "dataset"), version=2)
    assert rows.to_pyarrow_table()["distance"].to_pylist() == [2.0]


def test_rows_of_other_dataset_versions_stay_behind(tmp_path: Path) -> None:
    run = leave_version(tmp_path)

    members = contents_of(run.bundle_uri, run.bundle_digest, record_of(run))

    assert sum(name.startswith("dataset/_delta_log/") for name in members) == 3
    assert sum(name.startswith("dataset/part-") for name in members) == 1


def test_the_same_version_gives_the_same_bytes(tmp_path: Path) -> None:
    run = leave_version(tmp_path)

    digests = [archive_of(run, tmp_path / name) for name in ("one.zip", "two.zip")]

    assert digests[0] == digests[1]
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_no_file_is_overwritten(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is there already"):
        archive_of(leave_version(tmp_path / "other"), archive)


def test_a_version_whose_rows_are_lost_is_not_archived(tmp_path: Path) -> None:
    run = leave_version(tmp_path)
    (lost,) = (Path(uri) for uri in DeltaTable(f"{run.bundle_uri}/../dataset", version=2).file_uris())
    lost.unlink()

    with pytest.raises(ArchiveError, match=lost.name):
        archive_of(run, tmp_path / "flights.zip")
    assert not (tmp_path / "flights.zip").exists()


def test_one_changed_byte_anywhere_is_found_and_its_file_is_named(archive: Path, tmp_path: Path) -> None:
    with ZipFile(archive) as opened:
        places = {info.filename: info for info in opened.infolist() if info.filename != INDEX}
    whole = archive.read_bytes()
    for name, info in places.items():
        harmed = bytearray(whole)
        harmed[info.header_offset + 30 + len(name) + info.file_size - 1] ^= 1
        archive.write_bytes(harmed)

        with pytest.raises(ArchiveError) as refusal:
            take_in(archive, tmp_path / "here")

        assert name in str(refusal.value)
    assert not (tmp_path / "here").exists()


def test_members_that_do_not_belong_together_are_refused(archive: Path, tmp_path: Path) -> None:
    """Every digest of the index agrees here: it was changed with the members."""
    name = f"bundle/{MANIFEST}"

    def another_model(members: Members) -> None:
        listed(members, "bundle/model.onnx", b"another model")

    def another_manifest(members: Members) -> None:
        listed(members, name, members[name].replace(b"flight_delays", b"train_delays"))

    for change, named in ((another_model, "bundle/model.onnx"), (another_manifest, "bundle")):
        with pytest.raises(ArchiveError, match=named):
            take_in(rewritten(archive, change), tmp_path / "here")
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize(
    "name",
    ["../escaped", "/etc/escaped", "bundle/../../escaped", "bundle\\..\\escaped", ".hidden", "a//b", "a\0b", "ö"],
)
def test_names_that_lead_elsewhere_are_refused(archive: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveError, match=r"archive\.json"):
        take_in(rewritten(archive, lambda members: listed(members, name, b"evil")), tmp_path / "here")

    assert not (tmp_path / "here").exists()
    assert not (tmp_path / "escaped").exists()


def test_members_that_nobody_named_or_that_are_missing_are_refused(archive: Path, tmp_path: Path) -> None:
    changes: dict[str, Callable[[Members], object]] = {
        "does not name": lambda members: members.update(extra=b""),
        "lacks spec.json": lambda members: members.pop("spec.json"),
        "has no archive.json": lambda members: members.pop(INDEX),
    }
    for said, change in changes.items():
        with pytest.raises(ArchiveError, match=said):
            take_in(rewritten(archive, lambda members, change=change: change(members)), tmp_path)  # type: ignore[misc]


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(archive: Path, tmp_path: Path) -> None:
    bomb = rewritten(archive, lambda members: listed(members, "bomb", b"0" * 1_000_000), compression=ZIP_DEFLATED)

    with pytest.raises(ArchiveError, match="compressed"):
        take_in(bomb, tmp_path / "here")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(archive: Path, tmp_path: Path) -> None:
    with ZipFile(archive, "a") as opened:
        opened.writestr(ZipInfo("spec.json"), b"{ }")

    with pytest.raises(ArchiveError, match=r"'spec\.json' twice"):
        take_in(archive, tmp_path / "here")


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)

    with pytest.raises(ArchiveError, match="is no archive"):
        take_in(tmp_path / "other", tmp_path)


def test_nothing_there_is_overwritten(archive: Path, tmp_path: Path) -> None:
    take_in(archive, tmp_path / "here")
    before = files_below(tmp_path / "here")
    take_in(archive, tmp_path / "here")
    assert files_below(tmp_path / "here") == before

    (model,) = (tmp_path / "here").rglob("model.onnx")
    model.write_bytes(b"another")
    model.with_name("card.md").unlink()
    with pytest.raises(ArchiveError, match=r"other bytes are at .*model\.onnx"):
        take_in(archive, tmp_path / "here")
    assert not model.with_name("card.md").exists()
