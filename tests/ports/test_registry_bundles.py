"""Bundles are believed only where every digest agrees; a store that does not answer may answer later."""

from pathlib import Path

import pytest

from contracts.bundle import MANIFEST, BundleFile
from everloop import storage
from services.chassis.errors import RejectedError, TransientError
from services.registry.bundles import StoredBundles
from services.registry.domain import check_evidence
from tests.contracts.examples import digest
from tests.fakes.registry.runs import leave_run


async def test_what_a_run_left_is_found(tmp_path: Path) -> None:
    run = leave_run(tmp_path, metrics={"auc": 0.7})

    found = await StoredBundles().examine(run)

    check_evidence(run, found)
    assert found.report.metrics == {"auc": 0.7}
    assert found.card == "card.md of run 1"


async def test_whole_bundle_verifies_again_and_again(tmp_path: Path) -> None:
    run = leave_run(tmp_path)

    for _ in range(2):
        await StoredBundles().verify(run.bundle_uri, run.bundle_digest)


@pytest.mark.parametrize("file", [*BundleFile, MANIFEST])
async def test_one_changed_byte_anywhere_is_refused(tmp_path: Path, file: str) -> None:
    run = leave_run(tmp_path)
    path = Path(run.bundle_uri) / file
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)

    with pytest.raises(RejectedError, match="digest mismatch") as raised:
        await StoredBundles().examine(run)

    assert raised.value.slug == "bundle_digest_mismatch"


async def test_changed_report_is_refused(tmp_path: Path) -> None:
    run = leave_run(tmp_path)
    storage.write_bytes(run.report_uri, storage.read_bytes(run.report_uri) + b" ")

    with pytest.raises(RejectedError, match="report digest mismatch"):
        await StoredBundles().examine(run)


async def test_report_that_is_none_is_refused(tmp_path: Path) -> None:
    run = leave_run(tmp_path)
    storage.write_bytes(run.report_uri, b"{}")
    empty = run.model_copy(update={"report_digest": storage.digest(b"{}")})

    with pytest.raises(RejectedError, match="report invalid"):
        await StoredBundles().examine(empty)


async def test_another_bundle_than_the_run_said_is_refused(tmp_path: Path) -> None:
    run = leave_run(tmp_path)

    with pytest.raises(RejectedError, match="digest mismatch"):
        await StoredBundles().examine(run.model_copy(update={"bundle_digest": digest("0")}))


@pytest.mark.parametrize("missing", [MANIFEST, BundleFile.CARD, "../report.json"])
async def test_missing_file_may_come_yet(tmp_path: Path, missing: str) -> None:
    run = leave_run(tmp_path)
    (Path(run.bundle_uri) / missing).unlink()

    with pytest.raises(TransientError, match="nothing is there"):
        await StoredBundles().examine(run)
