"""The service may die between any two steps."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from contracts.training import TrainingRunStarted, TrainingRunSucceeded
from services.chassis.jobs import JobStatus
from services.training.run import RunState
from tests.fakes.training import examples
from tests.unit.training.stage import Stage


class Died(Exception):
    """The process is gone."""


def dies_before(method: Callable[..., Awaitable[Any]], fails_at: int) -> Callable[..., Awaitable[Any]]:
    """Have a call die the way a killed process does: what came before it happened, nothing after it did."""
    calls = 0

    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise Died
        return await method(*args, **kwargs)

    return wrapped


@pytest.mark.parametrize("fails_at", range(1, 4))
@pytest.mark.parametrize(
    ("owner", "call"),
    [("cluster", "submit"), ("cluster", "job"), ("files", "write_spec"), ("files", "result"), ("runs", "save")],
)
async def test_death_between_any_two_steps_leaves_one_job_and_one_success(owner: str, call: str, fails_at: int) -> None:
    stage = Stage()
    await stage.story.hear(examples.dataset_ingested())
    target = {"cluster": stage.cluster, "files": stage.files, "runs": stage.story.runs}[owner]
    setattr(target, call, dies_before(getattr(target, call), fails_at))

    for _ in range(12):
        try:
            await stage.step()
        except ExceptionGroup:
            continue
        run = await stage.run()
        if run.submission_id in stage.cluster.jobs:
            stage.files.results[run.run_id] = examples.result()
            stage.cluster.end(run.submission_id, JobStatus.SUCCEEDED)

    assert (await stage.run()).state is RunState.SUCCEEDED
    assert list(stage.cluster.jobs) == [f"{(await stage.run()).run_id}-1"]
    assert len(stage.work.of(TrainingRunStarted)) == len(stage.work.of(TrainingRunSucceeded)) == 1
