"""The files of runs in a store on disk."""

from pathlib import Path
from uuid import UUID

import pytest

from contracts.jobs import Engine, Progress, SplitReport, TrainingReport, TrainingSpec
from everloop import storage
from services.chassis.errors import TransientError
from services.training.domain import specify
from services.training.run import Run
from services.training.run_files import StoredRunFiles
from tests.fakes.training import examples


@pytest.fixture
def files(tmp_path: Path) -> StoredRunFiles:
    return StoredRunFiles(str(tmp_path))


@pytest.fixture
def run(files: StoredRunFiles) -> Run:
    run = examples.run()
    return run.pin(specify(run, examples.pipeline(), examples.dataset(), files.directory(run.run_id))).run


def report(run: Run, run_id: UUID | None = None) -> bytes:
    part = SplitReport(rows=1, start=examples.NOON, end=examples.NOON)
    return (
        TrainingReport(
            run_id=run_id or run.run_id,
            pipeline=run.pipeline,
            bundle_uri="/store/bundle",
            bundle_digest=examples.digest("b"),
            model_digest=examples.digest("a"),
            metrics={"auc": 0.7},
            train=part,
            validation=part,
            holdout=part,
            engine=Engine.IN_PROCESS,
            device="cpu",
            stages_s={},
            started_at=examples.NOON,
            finished_at=examples.NOON,
        )
        .model_dump_json()
        .encode()
    )


def leave(run: Run, name: str, content: bytes) -> None:
    storage.write_bytes(storage.join(run.pinned.output_uri, name), content)


async def test_spec_is_read_as_it_was_written(files: StoredRunFiles, run: Run) -> None:
    uri = await files.write_spec(run.pinned)
    again = await files.write_spec(run.pinned)

    assert uri == again == files.spec_uri(run.pinned)
    assert TrainingSpec.model_validate_json(storage.read_bytes(uri)) == run.pinned


async def test_nothing_is_there_before_the_job_left_it(files: StoredRunFiles, run: Run) -> None:
    assert await files.progress(run) is None
    assert await files.result(run) is None


async def test_newest_whole_line_of_progress_counts(files: StoredRunFiles, run: Run) -> None:
    lines = [Progress(at=examples.NOON, stage="fit", fraction=fraction) for fraction in (0.1, 0.2)]
    written = b"".join(line.model_dump_json().encode() + b"\n" for line in lines)
    leave(run, "progress.jsonl", written + b'{"at": "2026-')

    assert await files.progress(run) == lines[-1]


async def test_result_is_what_the_report_says(files: StoredRunFiles, run: Run) -> None:
    leave(run, "report.json", report(run))

    result = await files.result(run)

    assert result is not None
    assert result.report_digest == storage.digest(storage.read_bytes(result.report_uri))
    assert (result.bundle_uri, result.metrics) == ("/store/bundle", {"auc": 0.7})


async def test_report_of_another_run_or_broken_is_none(files: StoredRunFiles, run: Run) -> None:
    leave(run, "report.json", report(run, UUID(int=1)))
    assert await files.result(run) is None

    leave(run, "report.json", b"{")
    assert await files.result(run) is None


async def test_store_that_fails_is_a_passing_trouble(run: Run) -> None:
    broken = run.model_copy(update={"spec": run.pinned.model_copy(update={"output_uri": "ftp://nowhere/x"})})

    with pytest.raises(TransientError, match="store unreachable"):
        await StoredRunFiles("/").result(broken)
