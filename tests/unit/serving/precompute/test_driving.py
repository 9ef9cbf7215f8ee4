"""The driver sees precomputations through, whatever is away and wherever the service is killed."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from contracts.precompute import (
    PrecomputationCompleted,
    PrecomputationFailed,
    PrecomputationFailure,
    PrecomputationStarted,
)
from services.chassis.errors import TransientError
from services.serving.desired import DesiredLookup
from services.serving.domain import RolloutState
from services.serving.precompute.domain import State
from services.serving.precompute.driving import lookup_of
from tests.fakes.serving.examples import deployment, rollout
from tests.unit.serving.precompute.examples import RULES, plan
from tests.unit.serving.precompute.story import KilledError, Story


@pytest.fixture
def story() -> Story:
    return Story()


async def test_a_version_that_answers_has_the_newest_rows_scored(story: Story) -> None:
    await story.begin(version=2, rows=3)

    await story.step(3)
    ((name, command),) = story.jobs.commands.items()
    story.work_is_done()
    await story.step(3)

    ((spec_uri, spec),) = story.files.specs.items()
    assert command == ["python", "-m", "ray_jobs.predict", spec_uri]
    assert name == f"precompute-{spec.precomputation_id}-1"
    assert (spec.version, spec.dataset.version, spec.rows, spec.key) == (2, 3, 300, ("flight_id",))
    assert story.facts == [PrecomputationStarted, PrecomputationCompleted]
    assert await story.states() == [(2, 3, State.COMPLETED)]
    found = await story.precomputations.newest_completed("flights", 2)
    assert found is not None
    assert found.id == spec.precomputation_id


async def test_a_version_that_does_not_answer_yet_is_not_precomputed(story: Story) -> None:
    await story.plans.save(plan())

    await story.step(3)

    assert await story.states() == []


async def test_new_rows_and_a_new_version_are_scored_anew_and_nothing_else_is(story: Story) -> None:
    for version, rows in ((1, 1), (1, 2), (2, 2)):
        await story.begin(version=version, rows=rows)
        for _ in range(5):
            await story.step()
            story.work_is_done()

    done = State.COMPLETED
    assert await story.states() == [(1, 1, done), (1, 2, done), (2, 2, done)]


async def test_a_newer_one_stops_those_before_it(story: Story) -> None:
    await story.begin(version=1)
    await story.step(3)
    (old,) = story.jobs.commands
    await story.begin(version=2)
    await story.step(2)

    assert story.jobs.stopped == [old]
    failed = story.work.of(PrecomputationFailed)
    assert [(fact.version, fact.reason) for fact in failed] == [(1, PrecomputationFailure.SUPERSEDED)]
    await story.step(2)
    story.work_is_done()
    await story.step()
    assert await story.states() == [(1, 1, State.FAILED), (2, 1, State.COMPLETED)]


async def test_the_way_back_to_a_version_has_it_computed_where_it_was_stopped(story: Story) -> None:
    await story.begin(version=1)
    await story.step(3)
    await story.begin(version=2)
    await story.step(4)
    await story.begin(version=1)
    for _ in range(6):
        await story.step()
        story.work_is_done()

    found = await story.precomputations.newest_completed("flights", 1)
    assert found is not None
    assert found.attempt == 2


async def test_an_unreachable_cluster_or_store_delays_and_fails_nothing(story: Story) -> None:
    await story.begin()
    await story.step()
    for away in (story.jobs, story.files):
        away.reachable = False  # type: ignore[attr-defined]
        with pytest.raises(TransientError):
            await story.step(2)
        away.reachable = True  # type: ignore[attr-defined]

    await story.step(2)
    story.work_is_done()
    await story.step()

    assert story.facts == [PrecomputationStarted, PrecomputationCompleted]


async def test_a_cluster_started_anew_is_given_the_job_again(story: Story) -> None:
    await story.begin()
    await story.step(3)
    story.jobs.forget()

    await story.step(2)

    assert [name.rpartition("-")[2] for name in story.jobs.jobs] == ["2"]
    story.work_is_done()
    await story.step()
    assert await story.states() == [(1, 1, State.COMPLETED)]


async def test_a_job_that_runs_too_long_is_stopped(story: Story) -> None:
    await story.begin()
    await story.step(4)

    story.now += timedelta(seconds=61)
    await story.step()

    (failed,) = story.work.of(PrecomputationFailed)
    assert (failed.reason, failed.detail) == (PrecomputationFailure.TIMED_OUT, "ran longer than 60 s")
    assert story.jobs.stopped == list(story.jobs.commands)


async def test_a_job_the_cluster_refuses_is_not_asked_for_again(story: Story) -> None:
    await story.begin()
    story.jobs.refuses = "no such resource"

    await story.step(6)

    (failed,) = story.work.of(PrecomputationFailed)
    assert failed.reason is PrecomputationFailure.REFUSED
    assert "no such resource" in failed.detail


async def test_replicas_are_told_of_the_answering_version_s_scores_and_of_no_others(story: Story) -> None:
    await story.begin(version=1)
    for _ in range(5):
        await story.step()
        story.work_is_done()

    async def told(version: int | None) -> DesiredLookup | None:
        async with story.work.transaction(write=False) as tx:
            return await lookup_of(tx, "flights", version)  # type: ignore[arg-type]

    (done,) = await story.precomputations.recent()
    assert done.report is not None
    assert await told(1) == DesiredLookup(
        precomputation_id=done.id, version=1, uri=done.report.lookup.uri, digest=done.report.lookup.digest
    )
    assert await told(2) is None
    assert await told(None) is None
    await story.plans.save(plan(precompute=RULES.model_copy(update={"max_age": timedelta(hours=1)})))
    assert (lookup := await told(1)) is not None
    assert lookup.max_age_s == 3600
    await story.plans.save(plan(precompute=None))
    assert await told(1) is None


async def test_a_version_that_bakes_has_its_scores_made_ready(story: Story) -> None:
    await story.plans.save(plan())
    baking = rollout(1, state=RolloutState.BAKING)
    await story.rollouts.save(baking)
    await story.deployments.save(deployment(answering=baking.id))

    await story.step()

    assert await story.states() == [(1, 1, State.SUBMITTING)]


@pytest.mark.parametrize("call", range(1, 4))
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("owner", "method"),
    [("jobs", "submit"), ("jobs", "job"), ("files", "write_spec"), ("files", "report"), ("precomputations", "save")],
)
async def test_killed_anywhere_it_says_each_fact_once(
    story: Story, monkeypatch: pytest.MonkeyPatch, owner: str, method: str, after: bool, call: int
) -> None:
    target: Any = getattr(story, owner)
    whole = getattr(target, method)
    calls = 0

    async def deadly(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise KilledError
        answer = await whole(*args, **named)
        if calls == call:
            raise KilledError
        return answer

    await story.begin()
    monkeypatch.setattr(type(target), method, lambda self, *args, **named: deadly(*args, **named))
    for _ in range(10):
        with suppress(KilledError, ExceptionGroup):
            await story.step()
            story.work_is_done()

    assert story.facts == [PrecomputationStarted, PrecomputationCompleted]
    assert len(story.jobs.commands) == 1
