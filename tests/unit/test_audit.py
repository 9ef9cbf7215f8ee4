"""Whatever changed in a store is found and named; what can't be built again says why."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from everloop import storage
from everloop.audit import Kind, dataset_checks, obstacles, store_checks, version_check
from tests.fixtures.archives import leave_version


def faults(checks: Any) -> dict[str, tuple[str, ...]]:
    return {check.name: found for check in checks if (found := check.faults())}


def test_files_that_are_not_what_their_names_say_are_found(tmp_path: Path) -> None:
    for folder, ending in (("raw", ""), ("code", ".zip")):
        for content in (b"whole", b"harmed"):
            storage.write_once(str(tmp_path / folder), content, suffix=ending)
    harmed = tmp_path / "code" / f"{storage.digest(b'harmed').removeprefix('sha256:')}.zip"
    harmed.write_bytes(b"harmful")

    checks = list(store_checks(str(tmp_path)))

    assert [check.kind for check in checks] == [Kind.RAW, Kind.RAW, Kind.CODE, Kind.CODE]
    ((name, (fault,)),) = faults(checks).items()
    assert name == harmed.name
    assert storage.digest(b"harmful") in fault


def test_a_harmed_bundle_is_found_by_its_file_and_lost_rows_by_theirs(tmp_path: Path) -> None:
    run = leave_version(tmp_path)
    check = version_check("flights", {"version": 3, "bundle_uri": run.bundle_uri, "bundle_digest": run.bundle_digest})
    assert check.faults() == ()

    (rows,) = (Path(uri) for uri in DeltaTable(f"{run.bundle_uri}/../dataset", version=2).file_uris())
    rows.unlink()
    (lost,) = check.faults()
    assert rows.name in lost
    (Path(run.bundle_uri) / "golden.json").write_text("{}")
    (harmed,) = check.faults()
    assert "golden.json" in harmed


@pytest.fixture
def versions(tmp_path: Path) -> list[dict[str, Any]]:
    """Two versions of a dataset as ingestion shows them: one file, then another appended."""
    shown, before = [], ""
    for number in (1, 2):
        write_deltalake(str(tmp_path / "lake"), pa.table({"x": [1.0] * 10}), mode="append")
        raw = storage.write_once(str(tmp_path / "raw"), f"file {number}".encode())
        raw_digest = f"sha256:{Path(raw).name}"
        digest = storage.digest(f"{before} {raw_digest}".encode()) if before else raw_digest
        version = {"version": number, "digest": digest, "raw_digest": raw_digest, "raw_uri": raw, "mode": "append"}
        shown.append(version | {"table_uri": str(tmp_path / "lake"), "delta_version": number - 1, "rows": 10 * number})
        before = digest
    return shown


def test_a_dataset_is_what_its_raw_files_make(versions: list[dict[str, Any]]) -> None:
    assert faults(dataset_checks("flights", reversed(versions))) == {}

    versions[0]["digest"] = storage.digest(b"other")
    assert list(faults(dataset_checks("flights", versions))) == ["flights 1", "flights 2"]


def test_raw_files_and_rows_that_are_gone_are_named(versions: list[dict[str, Any]]) -> None:
    Path(versions[0]["raw_uri"]).unlink()
    (added,) = set(DeltaTable(versions[1]["table_uri"]).file_uris()) - set(
        DeltaTable(versions[0]["table_uri"], version=0).file_uris()
    )
    Path(added).write_bytes(Path(added).read_bytes()[:-1])

    found = faults(dataset_checks("flights", versions))

    assert found["flights 1"] == (f"its raw file {versions[0]['raw_uri']} is gone",)
    assert Path(added).name in found["flights 2"][0]
    assert "bytes" in found["flights 2"][0]


def test_rows_that_were_never_written_are_missed(versions: list[dict[str, Any]]) -> None:
    versions[1]["rows"] = 21

    assert faults(dataset_checks("flights", versions)) == {"flights 2": ("its table holds 20 rows, expected 21",)}


def test_a_version_that_cannot_be_built_again_says_why(tmp_path: Path) -> None:
    run = leave_version(tmp_path)

    here = obstacles(run.bundle_uri, run.bundle_digest)
    (Path(run.bundle_uri) / "code.zip").unlink()
    (without_code,) = obstacles(run.bundle_uri, run.bundle_digest)

    assert any(reason.startswith("other software: numpy: absent expected") for reason in here)
    assert "code.zip" in without_code
