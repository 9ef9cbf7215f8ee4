"""Scores that nobody needs any more go after a while; those that somebody does stay, wherever the service is killed."""

from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from contracts.precompute import PrecomputationFailure
from services.chassis.errors import TransientError
from services.chassis.jobs import JobStatus
from services.serving.desired import ReplicaReport
from services.serving.domain import RolloutState
from services.serving.precompute.domain import State
from tests.fakes.serving.examples import NOW, rollout
from tests.unit.serving.precompute.story import KilledError, Story


@pytest.fixture
def story() -> Story:
    return Story()


async def state(story: Story, precomputation_id: UUID) -> State:
    found = await story.precomputations.get(precomputation_id)
    assert found is not None
    return found.state


async def test_what_answers_and_what_did_before_stay_and_the_rest_goes_in_time(story: Story) -> None:
    first, second, third = [await story.precomputed(version=version) for version in (1, 2, 3)]

    await story.pass_time(days=100)
    await story.pass_time(days=2.9)
    waiting = await story.states()
    await story.pass_time(days=0.2)

    assert waiting == [(version, 1, State.COMPLETED) for version in (1, 2, 3)]
    assert await story.states() == [(1, 1, State.DELETED), (2, 1, State.COMPLETED), (3, 1, State.COMPLETED)]
    assert set(story.files.reports) == {second.id, third.id}
    gone = await story.precomputations.get(first.id)
    assert gone is not None
    assert gone.deleted_at == story.now


async def test_scores_of_former_rows_go_and_the_newest_stay(story: Story) -> None:
    former, newest = [await story.precomputed(rows=rows) for rows in (1, 2)]

    await story.pass_time(days=0)
    await story.pass_time(days=3)

    assert (await state(story, former.id), await state(story, newest.id)) == (State.DELETED, State.COMPLETED)


async def test_what_somebody_still_reads_stays_until_nobody_has_for_as_long(story: Story) -> None:
    mapped, in_table, coming, *_ = [await story.precomputed(version=version) for version in range(1, 6)]
    reading = ReplicaReport(pipeline="flights", replica="slow", at=NOW, lookup=mapped.id)
    await story.board.post_report(reading)
    story.files.table = {in_table.id}
    under_way = rollout(3, id=UUID(int=33), state=RolloutState.LOADING)
    await story.rollouts.save(under_way)

    for _ in range(3):
        await story.pass_time(days=10)
    needed = await story.states()
    story.board.silence("flights", "slow")
    story.files.table = set()
    await story.rollouts.save(rollout(3, id=under_way.id, state=RolloutState.ROLLED_BACK))
    await story.pass_time(days=10)
    just_left = await story.states()
    await story.pass_time(days=3)

    everything = [(version, 1, State.COMPLETED) for version in range(1, 6)]
    assert needed == just_left == everything
    assert [await state(story, one.id) for one in (mapped, in_table, coming)] == [State.DELETED] * 3


async def test_going_back_beyond_what_is_kept_has_it_computed_again(story: Story) -> None:
    for version in (1, 2, 3):
        await story.precomputed(version=version)
    await story.pass_time(days=0)
    await story.pass_time(days=3)
    await story.begin(version=1)
    await story.step()
    nothing = await story.precomputations.newest_completed("flights", 1)

    again = await story.precomputed(version=1)
    await story.step(5)

    assert nothing is None
    assert (await story.states())[-1] == (1, 1, State.COMPLETED)
    assert set(story.files.reports) >= {again.id}
    assert len(story.jobs.commands) == 4, "once more, and no more than that"


async def test_what_can_not_be_computed_is_not_tried_again_once_its_rest_is_deleted(story: Story) -> None:
    await story.begin()
    story.jobs.refuses = "no such resource"
    await story.step(4)

    await story.pass_time(days=0)
    await story.pass_time(days=3)
    await story.step(4)

    (one,) = await story.precomputations.recent()
    assert (one.state, one.failure) == (State.DELETED, PrecomputationFailure.REFUSED)


async def test_a_job_that_was_given_up_and_still_runs_keeps_its_files(story: Story) -> None:
    await story.begin(version=1)
    await story.step(3)
    (name,) = story.jobs.commands
    await story.precomputed(version=2)
    (stopped, _) = (await story.precomputations.recent())[::-1]
    story.jobs.end(name, JobStatus.RUNNING)

    await story.pass_time(days=0)
    await story.pass_time(days=3)
    running = await state(story, stopped.id)
    story.jobs.end(name, JobStatus.STOPPED)
    await story.pass_time(days=0)

    assert (running, await state(story, stopped.id)) == (State.DELETING, State.DELETED)


async def test_an_unreachable_store_or_cluster_delays_and_loses_nothing(story: Story) -> None:
    old, *_ = [await story.precomputed(version=version) for version in (1, 2, 3)]
    await story.pass_time(days=0)
    for away in (story.jobs, story.files):
        away.reachable = False  # type: ignore[attr-defined]
        with pytest.raises(TransientError):
            await story.pass_time(days=3)
        away.reachable = True  # type: ignore[attr-defined]

    await story.pass_time(days=0)

    assert await state(story, old.id) is State.DELETED


@pytest.mark.parametrize("call", range(1, 4))
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("owner", "method"), [("files", "delete"), ("files", "in_table"), ("precomputations", "save")])
async def test_killed_anywhere_it_deletes_the_same(
    story: Story, monkeypatch: pytest.MonkeyPatch, owner: str, method: str, after: bool, call: int
) -> None:
    ones = [await story.precomputed(version=version) for version in (1, 2, 3, 4)]
    target: Any = getattr(story, owner)
    whole = getattr(target, method)
    calls = 0

    async def deadly(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise KilledError
        answer = await whole(*args)
        if calls == call:
            raise KilledError
        return answer

    monkeypatch.setattr(type(target), method, lambda self, *args: deadly(*args))
    for _ in range(4):
        with suppress(KilledError, ExceptionGroup):
            await story.pass_time(days=3)

    assert [await state(story, one.id) for one in ones] == [State.DELETED] * 2 + [State.COMPLETED] * 2
    assert set(story.files.reports) == {one.id for one in ones[2:]}
