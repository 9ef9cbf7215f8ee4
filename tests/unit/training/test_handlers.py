"""What training says when it hears something."""

from datetime import timedelta
from uuid import UUID

import pytest

from contracts.message import Message
from contracts.pipeline import Policy, Trigger, TriggerKind
from contracts.registry import ModelVersionDemoted
from contracts.training import (
    ApproveTrainingRun,
    CancelTrainingRun,
    FailureReason,
    PipelineRegistered,
    SkipReason,
    StartTrainingRun,
    TrainingRunAwaitingApproval,
    TrainingRunFailed,
    TrainingRunSkipped,
)
from services.chassis.errors import MalformedError, RejectedError, TransientError
from services.training import handlers
from services.training.domain import specify
from services.training.run import Run, RunState, run_id_of
from tests.fakes.training import examples
from tests.fakes.training.story import Story


def skipped(messages: list[Message]) -> list[SkipReason]:
    return [message.reason for message in messages if isinstance(message, TrainingRunSkipped)]


async def only_run(story: Story) -> Run:
    (run,) = await story.runs.recent(None, limit=10)
    return run


async def test_pipeline_is_registered_once() -> None:
    story = Story()
    command = examples.register_pipeline()

    facts = await story.hear(command)
    again = await story.hear(command)

    assert facts == [PipelineRegistered(pipeline=command.pipeline, definition=command.definition, code=command.code)]
    assert again == []


async def test_other_code_is_another_revision_and_keeps_what_was_learnt() -> None:
    story = Story(examples.pipeline())
    await story.hear(examples.model_version_promoted(4))

    command = examples.register_pipeline().model_copy(update={"code": examples.code("f")})
    facts = await story.hear(command)

    pipeline = await story.pipelines.get(examples.NAME)
    assert pipeline is not None
    assert pipeline.champion is not None
    assert (len(facts), pipeline.revision, pipeline.champion.version) == (1, 2, 4)
    assert [kept.code for kept in await story.pipelines.revisions(examples.NAME)] == [
        examples.code("f"),
        examples.code("c"),
    ]


async def test_nothing_is_compared_with_a_champion_that_serving_rolled_back() -> None:
    story = Story(examples.pipeline())
    await story.hear(examples.model_version_promoted(4))
    demoted = ModelVersionDemoted(
        pipeline=examples.NAME, version=4, rollout_id=UUID(int=4), demoted_by="serving", reason="too slow"
    )

    await story.hear(demoted.model_copy(update={"version": 3}))
    await story.hear(demoted.model_copy(update={"champion_version": 3}))
    kept = await story.pipelines.get(examples.NAME)
    await story.hear(demoted)
    dropped = await story.pipelines.get(examples.NAME)

    assert kept is not None
    assert kept.champion is not None
    assert dropped is not None
    assert dropped.champion is None


async def test_definition_under_another_name_is_malformed() -> None:
    command = examples.register_pipeline().model_copy(update={"pipeline": "trains"})

    with pytest.raises(MalformedError):
        await Story().hear(command)


async def test_what_is_heard_of_an_unknown_pipeline_is_heard_again_later() -> None:
    for message in (
        examples.dataset_ingested(),
        examples.drift_detected(),
        examples.quality_degraded(),
        examples.ground_truth_recorded(5),
        examples.model_version_promoted(),
    ):
        with pytest.raises(TransientError, match="pipeline unknown"):
            await Story().hear(message)


async def test_wish_for_an_unknown_pipeline_does_not_hold_up_the_commands_behind_it() -> None:
    with pytest.raises(MalformedError, match="pipeline unknown"):
        await Story().hear(StartTrainingRun(pipeline=examples.NAME))


async def test_first_dataset_starts_the_first_run() -> None:
    story = Story(examples.pipeline(debounce=timedelta(seconds=30)))

    facts = await story.hear(examples.dataset_ingested())

    run = await only_run(story)
    assert facts == []
    assert (run.state, run.cause.kind) == (RunState.DEBOUNCING, TriggerKind.DATA)
    assert run.ready_at - run.created_at == timedelta(seconds=30)


async def test_causes_close_together_share_a_run() -> None:
    story = Story(examples.pipeline())
    await story.hear(examples.dataset_ingested())

    facts = await story.hear(examples.drift_detected())

    run = await only_run(story)
    (said,) = facts
    assert isinstance(said, TrainingRunSkipped)
    assert (said.reason, said.run_id) == (SkipReason.DUPLICATE, run.run_id)


async def test_same_message_starts_one_run() -> None:
    story = Story(examples.pipeline())
    await story.ingest(1)
    envelope = examples.message(77)

    await story.hear(StartTrainingRun(pipeline=examples.NAME), envelope)
    again = await story.hear(StartTrainingRun(pipeline=examples.NAME), envelope)

    assert again == []
    assert (await only_run(story)).run_id == run_id_of(examples.NAME, "message-77")


async def test_drift_without_new_data_gets_its_run_when_they_arrive() -> None:
    story = Story(examples.pipeline(triggers=(Trigger(on=TriggerKind.DRIFT),)))
    await story.ingest(1)
    await story.succeeded(1)

    drift = examples.message(50)
    waiting = await story.hear(examples.drift_detected(), drift)
    facts = await story.hear(examples.dataset_ingested(2))

    newest = (await story.runs.recent(None, limit=1))[0]
    assert skipped(waiting) == [SkipReason.NO_NEW_DATA]
    assert facts == []
    assert (newest.cause.kind, newest.cause.message_id) == (TriggerKind.DRIFT, "message-50")
    assert newest.run_id == run_id_of(examples.NAME, "message-50")
    assert await story.causes.waiting() == []


async def test_remembered_drift_and_the_data_it_waited_for_share_a_run() -> None:
    story = Story(examples.pipeline())
    await story.ingest(1)
    await story.succeeded(1)
    await story.hear(examples.drift_detected())

    facts = await story.hear(examples.dataset_ingested(2))

    newest = (await story.runs.recent(None, limit=1))[0]
    assert newest.cause.kind is TriggerKind.DRIFT
    assert skipped(facts) == [SkipReason.DUPLICATE]


async def test_weightier_cause_takes_the_place_of_the_remembered_one() -> None:
    story = Story(examples.pipeline(triggers=(Trigger(on=TriggerKind.DRIFT), Trigger(on=TriggerKind.QUALITY))))
    await story.ingest(1)
    await story.succeeded(1)

    await story.hear(examples.quality_degraded())
    await story.hear(examples.drift_detected())
    await story.hear(examples.dataset_ingested(2))

    newest = (await story.runs.recent(None, limit=1))[0]
    assert newest.cause.kind is TriggerKind.QUALITY


async def test_data_that_the_active_run_does_not_use_wait_for_its_end() -> None:
    story = Story(examples.pipeline())
    await story.ingest(1)
    run = examples.run(50)
    spec = specify(run, examples.pipeline(), examples.dataset(1), "/store/runs/x")
    await story.runs.save(run.pin(spec).run)

    facts = await story.hear(examples.dataset_ingested(2))

    assert skipped(facts) == [SkipReason.DUPLICATE]
    assert await story.causes.waiting() == [examples.NAME]


async def test_policy_ask_waits_for_a_person() -> None:
    story = Story(examples.pipeline(triggers=(Trigger(on=TriggerKind.DATA, policy=Policy.ASK),)))

    (said,) = await story.hear(examples.dataset_ingested())
    run = await only_run(story)
    assert isinstance(said, TrainingRunAwaitingApproval)
    assert (said.run_id, said.dataset_version, run.state) == (run.run_id, 1, RunState.AWAITING_APPROVAL)

    await story.hear(ApproveTrainingRun(pipeline=examples.NAME, run_id=run.run_id, approved_by="ada"))

    assert (await only_run(story)).state is RunState.DEBOUNCING


async def test_persons_wish_releases_a_run_that_waits() -> None:
    story = Story(examples.pipeline(triggers=(Trigger(on=TriggerKind.DATA, policy=Policy.ASK),)))
    await story.hear(examples.dataset_ingested())

    facts = await story.hear(StartTrainingRun(pipeline=examples.NAME))

    assert skipped(facts) == [SkipReason.DUPLICATE]
    assert (await only_run(story)).state is RunState.DEBOUNCING


async def test_refused_run_says_so() -> None:
    story = Story(examples.pipeline(triggers=(Trigger(on=TriggerKind.DATA, policy=Policy.ASK),)))
    await story.hear(examples.dataset_ingested())
    run = await only_run(story)

    (said,) = await story.hear(CancelTrainingRun(pipeline=examples.NAME, run_id=run.run_id, requested_by="ada"))

    assert isinstance(said, TrainingRunFailed)
    assert said.reason is FailureReason.REJECTED


async def test_run_of_another_pipeline_cannot_be_touched() -> None:
    story = Story(examples.pipeline())
    await story.hear(examples.dataset_ingested())
    run = await only_run(story)

    with pytest.raises(RejectedError, match="run not found"):
        await story.hear(CancelTrainingRun(pipeline="trains", run_id=run.run_id))
    with pytest.raises(RejectedError, match="run not found"):
        await story.hear(ApproveTrainingRun(pipeline=examples.NAME, run_id=UUID(int=1), approved_by="ada"))


async def test_wish_for_a_dataset_version_that_is_not_there_is_told() -> None:
    story = Story(examples.pipeline())
    await story.ingest(1)

    facts = await story.hear(StartTrainingRun(pipeline=examples.NAME, dataset_version=9))

    assert skipped(facts) == [SkipReason.NO_DATA]


async def test_labels_count_since_the_last_run_began() -> None:
    story = Story(examples.pipeline(triggers=(Trigger(on=TriggerKind.LABELS, min_new_labels=100),)))
    await story.ingest(1)

    assert await story.hear(examples.ground_truth_recorded(99)) == []
    assert await story.runs.unfinished() == []
    await story.hear(examples.ground_truth_recorded(150))

    run = await only_run(story)
    assert (run.cause.kind, run.labels) == (TriggerKind.LABELS, 150)


def test_every_handler_has_its_line() -> None:
    heard = {subscription.handler for subscription in handlers.SUBSCRIPTIONS}

    assert len(heard) == len(handlers.SUBSCRIPTIONS) == 11
