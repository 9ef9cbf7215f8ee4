"""Whatever happens in whatever order: one run at a time, one run per cause, cooldown kept, nothing forgotten."""

import itertools
from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.message import Message
from contracts.pipeline import Policy, Trigger, TriggerKind
from contracts.training import (
    ApproveTrainingRun,
    CancelTrainingRun,
    FailureReason,
    StartTrainingRun,
    TrainingRunSkipped,
)
from services.chassis.subscriptions import Cause
from services.training.causes import Hearing
from services.training.domain import specify
from services.training.run import Run, RunState
from tests.fakes.training import examples
from tests.fakes.training.story import Story

Step = tuple[str, int]

CAUSES = ["ingest", "drift", "quality", "labels", "person"]
LIFE = ["submit", "succeed", "crash", "approve", "cancel"]

# What drives a run comes twice as often, so that stories have several runs in them.
steps = st.lists(
    st.tuples(st.sampled_from(CAUSES + LIFE + ["ingest", "submit", "succeed"]), st.integers(1, 60)),
    min_size=10,
    max_size=60,
)
policies = st.sampled_from(Policy)
cooldowns = st.sampled_from([timedelta(0), timedelta(days=10)])


def said_in(step: Step, versions: int, active: Run | None) -> Message | None:
    """The message of a step, if it is one that is heard."""
    what, number = step
    match what:
        case "ingest":
            return examples.dataset_ingested(versions + 1)
        case "drift":
            return examples.drift_detected(number)
        case "quality":
            return examples.quality_degraded(number)
        case "labels":
            return examples.ground_truth_recorded(number * 10)
        case "person":
            return StartTrainingRun(pipeline=examples.NAME)
        case "approve" if active and active.state is RunState.AWAITING_APPROVAL:
            return ApproveTrainingRun(pipeline=examples.NAME, run_id=active.run_id, approved_by="ada")
        case "cancel" if active:
            return CancelTrainingRun(pipeline=examples.NAME, run_id=active.run_id)
    return None


async def drive(story: Story, what: str, run: Run, cause: Cause) -> None:
    """Do what the reconciler does with a run."""
    now = cause.received_at
    pipeline = await story.pipelines.get(run.pipeline)
    dataset = await story.pipelines.dataset(run.pipeline, run.dataset_version)
    assert pipeline is not None
    assert dataset is not None
    if run.state is RunState.DEBOUNCING and what == "submit":
        spec = specify(run, pipeline, dataset, "/store/runs/x")
        run = run.pin(spec).run.submitted(now).run
    elif run.state is RunState.RUNNING and what == "succeed":
        run = run.succeed(examples.result(), now).run
    elif run.state is RunState.RUNNING and what == "crash":
        run = run.retry_or_fail(FailureReason.CRASHED, "boom", now).run
    elif run.state is RunState.STOPPING:
        run = run.fail(FailureReason.CANCELLED, "stopped", now).run
    elif run.state is RunState.SUBMITTING:
        run = run.submitted(now).run
    await story.runs.save(run)


@settings(max_examples=300, deadline=None)
@given(steps=steps, drift=policies, data=policies, cooldown=cooldowns)
async def test_any_order_of_causes_keeps_the_promises(
    steps: Sequence[Step], drift: Policy, data: Policy, cooldown: timedelta
) -> None:
    triggers = (
        Trigger(on=TriggerKind.DATA, policy=data),
        Trigger(on=TriggerKind.DRIFT, policy=drift),
        Trigger(on=TriggerKind.QUALITY),
        Trigger(on=TriggerKind.LABELS, min_new_labels=100),
    )
    pipeline = examples.pipeline(triggers=triggers, cooldown=cooldown)
    story = Story(pipeline)
    versions = 0
    for number, step in enumerate(steps):
        envelope = examples.message(number, at=examples.NOON + timedelta(minutes=number))
        active = await story.runs.active(examples.NAME)
        message = said_in(step, versions, active)
        if message:
            versions += step[0] == "ingest"
            facts = await story.hear(message, envelope)
            own = [
                fact
                for fact in facts
                if isinstance(fact, TrainingRunSkipped) and fact.cause.message_id == envelope.message_id
            ]
            assert len(own) <= 1
            if step[0] not in ("approve", "cancel"):
                assert await story.hear(message, envelope) == []
        elif active:
            await drive(story, step[0], active, envelope)
            current = await story.pipelines.get(examples.NAME)
            assert current is not None
            await Hearing(story.pipelines, story.runs, story.causes, envelope.received_at).ripen(current)

        runs = await story.runs.recent(examples.NAME, limit=100)
        assert sum(not run.state.finished for run in runs) <= 1
        assert len({run.cause.message_id for run in runs}) == len(runs)
        heard = await story.causes.recent(examples.NAME, limit=100)
        kinds = [cause.cause.kind for cause in heard if cause.due]
        assert len(kinds) == len(set(kinds))
        assert {cause.run_id for cause in heard if cause.reason is None} == {run.run_id for run in runs}
        automatic = [run.cause.as_of for run in reversed(runs) if run.automatic and run.cause.as_of]
        if cooldown:
            assert all(later - earlier >= cooldown for earlier, later in itertools.pairwise(automatic))
