"""Everloop's own runs are found where people look for theirs."""

from datetime import timedelta
from itertools import permutations

import pytest

from contracts.message import Message
from contracts.tracking import ExperimentCreated, RunCreated, RunLinked, RunLogged, RunUpdated
from contracts.training import FailureReason, TrainingRunFailed
from services.registry.tracking.domain import Run, RunRecord, RunStatus
from tests.contracts.examples import NOON, PIPELINE
from tests.fakes.registry.examples import InMemoryRegistry, run_id, run_succeeded, training_run_started

RUN = run_id(1).hex
AT_MS = int(NOON.timestamp()) * 1000


async def tell(registry: InMemoryRegistry, *messages: Message) -> tuple[Run, RunRecord]:
    for message in messages:
        await registry.hear(message)
    return registry.runs.kept[RUN], (await registry.runs.records([RUN]))[RUN]


async def test_a_run_shows_what_decides_its_outcome() -> None:
    registry = InMemoryRegistry()

    run, record = await tell(registry, training_run_started(commit="abc", seed=7))

    experiment = await registry.experiments.named(PIPELINE)
    assert experiment is not None
    assert (run.experiment_id, run.status, run.started_ms) == (experiment.id, RunStatus.RUNNING, AT_MS)
    assert record.params == {"num_leaves": "31", "seed": "7"}
    assert record.tags["everloop.dataset_version"] == "3"
    assert record.tags["everloop.reason"] == "new data"
    assert record.tags["mlflow.source.git.commit"] == "abc"
    assert [one.dataset.digest for one in record.datasets] == ["d" * 36]
    assert [type(fact) for fact in registry.tracked] == [ExperimentCreated, RunCreated, RunLogged, RunLinked]


async def test_a_run_shows_how_good_its_model_is() -> None:
    registry = InMemoryRegistry()
    succeeded = run_succeeded(1)

    run, record = await tell(registry, training_run_started(), succeeded)

    assert (run.status, run.ended_ms) == (RunStatus.FINISHED, AT_MS)
    assert {metric.key: metric.value for metric in record.metrics} == succeeded.metrics
    assert record.tags["everloop.bundle_digest"] == succeeded.bundle_digest
    assert [fact.state.status for fact in registry.tracked if isinstance(fact, RunUpdated)] == ["FINISHED"]


@pytest.mark.parametrize(
    ("reason", "status"), [(FailureReason.CRASHED, RunStatus.FAILED), (FailureReason.CANCELLED, RunStatus.KILLED)]
)
async def test_a_run_shows_why_it_has_no_model(reason: FailureReason, status: RunStatus) -> None:
    failed = TrainingRunFailed(pipeline=PIPELINE, run_id=run_id(1), reason=reason, detail="no memory", attempts=1)

    run, record = await tell(InMemoryRegistry(), training_run_started(), failed)

    assert run.status is status
    assert (record.tags["everloop.failure"], record.tags["everloop.detail"]) == (reason.value, "no memory")


async def test_the_order_in_which_a_run_is_heard_of_changes_nothing() -> None:
    story = (training_run_started(), training_run_started(attempt=2), run_succeeded(1, duration_s=60.0))

    ends = set()
    for order in permutations(story):
        run, record = await tell(InMemoryRegistry(), *order)
        ends.add((run.status, run.ended_ms, len(record.params), len(record.metrics)))
        assert run.started_ms in (AT_MS, AT_MS - 60_000)

    assert len(ends) == 1


async def test_hearing_twice_changes_nothing() -> None:
    registry = InMemoryRegistry()
    once = await tell(registry, training_run_started(), run_succeeded(1))
    registry.now += timedelta(0)

    assert await tell(registry, training_run_started(), run_succeeded(1)) == once
