"""What a job would leave in the store, so that a test can play one."""

from uuid import UUID

from contracts.jobs import Engine, Progress, SplitReport, TrainingReport
from everloop import storage
from services.chassis.jobs import JobStatus
from tests.fakes.folder_jobs import FolderJobs
from tests.fakes.training import examples


def run_of(submission_id: str) -> UUID:
    return UUID(submission_id.rpartition("-")[0])


def progress(store_uri: str, submission_id: str, stage: str, fraction: float) -> None:
    """Write a line of progress."""
    line = Progress(at=examples.NOON, stage=stage, fraction=fraction)
    uri = storage.join(store_uri, "runs", str(run_of(submission_id)), "progress.jsonl")
    storage.write_bytes(uri, line.model_dump_json().encode() + b"\n")


def succeed(cluster: FolderJobs, store_uri: str, submission_id: str) -> None:
    """Leave a report, then end well."""
    run_id = run_of(submission_id)
    directory = storage.join(store_uri, "runs", str(run_id))
    part = SplitReport(rows=100, start=examples.DATA_TIME, end=examples.DATA_TIME)
    report = TrainingReport(
        run_id=run_id,
        pipeline=examples.NAME,
        bundle_uri=storage.join(directory, "bundle"),
        bundle_digest=examples.digest("b"),
        model_digest=examples.digest("a"),
        metrics={"auc": 0.75},
        train=part,
        validation=part,
        holdout=part,
        engine=Engine.IN_PROCESS,
        device="cpu",
        stages_s={"fit": 1.0},
        started_at=examples.NOON,
        finished_at=examples.NOON,
    )
    storage.write_bytes(storage.join(directory, "report.json"), report.model_dump_json().encode())
    cluster.end(submission_id, JobStatus.SUCCEEDED)
