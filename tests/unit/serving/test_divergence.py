"""Replicas that are not what is desired of them are an event, once, and so is the end of it."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.serving import DeploymentConverged, DeploymentDiverged
from services.serving.desired import HeldVersion, ReplicaReport
from services.serving.divergence import differences
from services.serving.domain import HoldState
from services.serving.inspecting import Inspector
from tests.fakes.serving.examples import NOW
from tests.fakes.serving.story import Story

PATIENCE = timedelta(seconds=30)


@pytest.fixture
async def story() -> Story:
    """Version 1 answers."""
    story = Story()
    await story.promote(1)
    await story.settle()
    story.work.said.clear()
    return story


def inspector(story: Story) -> Inspector:
    return Inspector(lambda: story.board, PATIENCE, clock=lambda: story.now)


async def inspect(inspector: Inspector, story: Story, *, later_s: float) -> None:
    story.now += timedelta(seconds=later_s)
    await inspector.step(story.work)  # type: ignore[arg-type]


async def test_replicas_that_are_right_are_no_news(story: Story) -> None:
    looking = inspector(story)
    for _ in range(5):
        await inspect(looking, story, later_s=20)

    assert story.work.said == []


async def test_missing_replica_is_said_once_and_its_return_too(story: Story) -> None:
    looking = inspector(story)
    story.board.silence("flights", "one")

    await inspect(looking, story, later_s=0)
    await inspect(looking, story, later_s=29)
    assert story.work.said == []
    for _ in range(3):
        await inspect(looking, story, later_s=1)
    await story.obey()
    for _ in range(2):
        await inspect(looking, story, later_s=10)

    assert story.work.said == [
        DeploymentDiverged(pipeline="flights", since=NOW, differences=("0 of 1 replicas live",)),
        DeploymentConverged(pipeline="flights", diverged_since=NOW, duration_s=42),
    ]


async def test_what_differs_for_a_moment_is_no_news(story: Story) -> None:
    looking = inspector(story)
    for _ in range(3):
        story.board.silence("flights", "one")
        await inspect(looking, story, later_s=20)
        await story.obey()
        await inspect(looking, story, later_s=20)

    assert story.work.said == []


async def test_service_that_starts_anew_does_not_say_it_again(story: Story) -> None:
    story.board.silence("flights", "one")
    for _ in range(2):
        looking = inspector(story)
        await inspect(looking, story, later_s=0)
        await inspect(looking, story, later_s=40)
    await story.obey()
    await inspect(inspector(story), story, later_s=0)

    assert [type(one) for one in story.work.said] == [DeploymentDiverged, DeploymentConverged]


async def test_what_differs_is_told_in_sentences(story: Story) -> None:
    desired = await story.desired()
    (one,) = desired.versions
    right: dict[str, Any] = {"pipeline": "flights", "at": NOW, "answering": 1}
    held = HeldVersion(version=1, rollout_id=one.rollout_id, state=HoldState.LOADED)
    failed = held.model_copy(update={"state": HoldState.FAILED})
    reports = [
        ReplicaReport(replica="a", held=(held,), **right),
        ReplicaReport(replica="b", held=(failed,), **{**right, "answering": None}),
        ReplicaReport(replica="c", held=(held,), **{**right, "answering": 7}),
    ]

    assert differences(desired, reports, replicas=4, on_the_way=()) == (
        "3 of 4 replicas live",
        "replica b does not hold version 1: failed",
        "replica b answers with version none, not 1",
        "replica c answers with version 7, not 1",
    )


async def test_candidate_that_is_being_loaded_is_not_missed(story: Story) -> None:
    await story.promote(2)
    await story.look()
    desired = await story.desired()
    reports = await story.board.reports("flights")

    assert differences(desired, reports, replicas=1, on_the_way={2}) == ()
    assert differences(desired, reports, replicas=1, on_the_way=()) == (
        "replica one does not hold version 2: not begun",
    )
