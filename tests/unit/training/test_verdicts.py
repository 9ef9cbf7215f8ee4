"""What training does after verdicts on its candidates: waits, tells a person, begins anew."""

from datetime import datetime, timedelta
from typing import Any

from contracts.message import Message
from contracts.pipeline import Backoff, Trigger, TriggerKind
from contracts.registry import PromotionKind
from contracts.training import RetrainingEscalated, SkipReason, StartTrainingRun, TrainingRunSkipped
from services.training.causes import Hearing
from services.training.domain import specify
from services.training.run import Run, RunState
from services.training.situations import waits
from services.training.standing import Outcome
from tests.fakes.training import examples
from tests.fakes.training.story import Story

MONTH = timedelta(days=30)


class Loop:
    """A pipeline that retrains on every month of data; a message an hour."""

    def __init__(self, **retraining: Any) -> None:
        retraining.setdefault("backoff", Backoff(first=MONTH * 1.5, ceiling=MONTH * 4))
        self.story = Story(examples.pipeline(**retraining))
        self.now = examples.NOON
        self.version = 0
        self.model = 0

    async def hear(self, message: Message) -> list[Message]:
        self.now += timedelta(hours=1)
        envelope = examples.message(int(self.now.timestamp()), at=self.now)
        return await self.story.hear(message, envelope)

    async def ingest(self) -> list[Message]:
        self.version += 1
        return await self.hear(examples.dataset_ingested(self.version))

    async def runs(self) -> list[Run]:
        return await self.story.runs.recent(examples.NAME, limit=100)

    async def trained(self) -> Run:
        """See the run through that began last."""
        (run,) = await self.story.runs.unfinished()
        pipeline = await self.story.pipelines.get(examples.NAME)
        assert pipeline is not None
        dataset = examples.dataset(self.version)
        spec = specify(run, pipeline, dataset, "/store/runs/x")
        running = run.pin(spec, dataset.last_event).run.submitted(self.now).run
        self.now += timedelta(hours=1)
        done = running.succeed(examples.result(), self.now).run
        await self.story.runs.save(done)
        return done

    async def refused(self, **fields: Any) -> list[Message]:
        run = await self.trained()
        self.model += 1
        return await self.hear(examples.model_version_rejected(run.run_id, self.model, decided_at=self.now, **fields))

    async def promoted(self, **fields: Any) -> list[Message]:
        run = await self.trained()
        self.model += 1
        content = {"run_id": run.run_id, "decided_at": self.now} | fields
        return await self.hear(examples.model_version_promoted(self.model, **content))

    async def degraded(self, day: int = 60) -> list[Message]:
        pipeline = await self.story.pipelines.get(examples.NAME)
        assert pipeline is not None
        version = pipeline.champion.version if pipeline.champion else 1
        return await self.hear(examples.quality_degraded(day).model_copy(update={"version": version}))


def skipped(messages: list[Message]) -> list[tuple[SkipReason, datetime | None]]:
    return [
        (message.reason, message.waits_for_data_of) for message in messages if isinstance(message, TrainingRunSkipped)
    ]


def data_time(days: float) -> datetime:
    return examples.DATA_TIME + timedelta(days=days)


ONLY_DATA = (Trigger(on=TriggerKind.DATA),)


async def test_each_refusal_in_a_row_makes_the_next_cause_of_its_kind_wait_longer() -> None:
    loop = Loop(triggers=ONLY_DATA)
    await loop.ingest()
    await loop.refused()

    assert skipped(await loop.ingest()) == [(SkipReason.BACKOFF, data_time(75))]
    # The data that end the wait answer both causes with one run.
    assert skipped(await loop.ingest()) == [(SkipReason.DUPLICATE, None)]
    await loop.refused()
    assert skipped(await loop.ingest()) == [(SkipReason.BACKOFF, data_time(90 + 90))]


async def test_wait_grows_up_to_its_ceiling() -> None:
    loop = Loop(triggers=ONLY_DATA, backoff=Backoff(first=timedelta(days=1), factor=10, ceiling=timedelta(days=40)))
    for _ in range(3):
        await loop.ingest()
        await loop.refused()

    assert skipped(await loop.ingest()) == [(SkipReason.BACKOFF, data_time(90 + 40))]


async def test_unless_told_otherwise_the_first_wait_is_a_window_of_the_monitors() -> None:
    loop = Loop(triggers=ONLY_DATA, backoff=Backoff())
    await loop.ingest()
    await loop.refused()

    pipeline = await loop.story.pipelines.get(examples.NAME)
    assert pipeline is not None
    (wait,) = await waits(pipeline, loop.story.runs)
    assert (wait.kind, wait.refusals) == (TriggerKind.DATA, 1)
    assert wait.until == data_time(30) + pipeline.definition.monitors.window


async def test_refusals_of_one_kind_hold_up_no_other() -> None:
    loop = Loop()
    await loop.ingest()
    await loop.refused()
    assert skipped(await loop.ingest()) == [(SkipReason.BACKOFF, data_time(75))]

    said = await loop.hear(examples.drift_detected(61))

    assert (await loop.runs())[0].cause.kind is TriggerKind.DRIFT
    assert skipped(said) == [(SkipReason.DUPLICATE, None)]


async def test_persons_run_ends_the_wait() -> None:
    loop = Loop(triggers=ONLY_DATA)
    await loop.ingest()
    await loop.refused()
    await loop.ingest()

    said = await loop.hear(StartTrainingRun(pipeline=examples.NAME))
    await loop.refused()

    assert skipped(said) == [(SkipReason.DUPLICATE, None)]
    assert skipped(await loop.ingest()) == []
    assert (await loop.runs())[0].state is RunState.DEBOUNCING


async def test_promotion_of_a_candidate_ends_the_wait_but_to_go_back_does_not() -> None:
    loop = Loop(triggers=ONLY_DATA)
    await loop.ingest()
    await loop.promoted()
    await loop.ingest()
    await loop.refused()
    first = (await loop.runs())[-1]

    await loop.hear(examples.model_version_promoted(1, kind=PromotionKind.ROLLBACK, run_id=first.run_id))
    assert skipped(await loop.ingest()) == [(SkipReason.BACKOFF, data_time(105))]


async def test_change_of_the_pipeline_ends_the_wait() -> None:
    loop = Loop(triggers=ONLY_DATA)
    await loop.ingest()
    await loop.refused()
    waiting = await loop.ingest()
    command = examples.register_pipeline(triggers=ONLY_DATA, backoff=Backoff(first=MONTH * 2))

    await loop.hear(command)

    pipeline = await loop.story.pipelines.get(examples.NAME)
    assert pipeline is not None
    assert skipped(waiting) == [(SkipReason.BACKOFF, data_time(75))]
    assert await Hearing(loop.story.pipelines, loop.story.runs, loop.story.causes, loop.now).ripe(pipeline)


async def test_refusal_by_a_person_makes_nothing_wait() -> None:
    loop = Loop(triggers=ONLY_DATA)
    await loop.ingest()
    await loop.refused(rejected_by="ada")

    assert await loop.ingest() == []
    verdict = (await loop.runs())[-1].verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.by) == (Outcome.DECLINED, "ada")


async def test_promoted_version_that_serving_rolls_back_counts_as_refused() -> None:
    loop = Loop(triggers=ONLY_DATA)
    await loop.ingest()
    await loop.promoted()
    demoted = examples.model_version_demoted(1, decided_at=loop.now + timedelta(hours=2))

    await loop.hear(demoted)

    assert skipped(await loop.ingest()) == [(SkipReason.BACKOFF, data_time(75))]


async def test_old_promotion_heard_again_does_not_undo_a_later_refusal() -> None:
    loop = Loop(triggers=ONLY_DATA)
    await loop.ingest()
    await loop.promoted()
    promoted_at = loop.now
    (run,) = await loop.runs()
    await loop.hear(examples.model_version_demoted(1, decided_at=loop.now + timedelta(hours=2)))

    await loop.hear(
        examples.model_version_promoted(1, run_id=run.run_id, decided_at=promoted_at - timedelta(minutes=1))
    )

    (run,) = await loop.runs()
    assert run.verdict is not None
    assert run.verdict.outcome is Outcome.REFUSED


async def test_person_is_told_once_that_quality_is_lost_and_training_does_not_help() -> None:
    loop = Loop(triggers=ONLY_DATA, backoff=None, escalate_after=2)
    await loop.ingest()
    await loop.promoted()
    assert await loop.degraded(45) == []
    said: list[list[Message]] = []
    for _ in range(3):
        await loop.ingest()
        said.append(await loop.refused())
    said.append(await loop.degraded(70))

    (told,) = [fact for facts in said for fact in facts]
    assert isinstance(told, RetrainingEscalated)
    assert said[1] == [told]
    assert (told.champion_version, told.degraded_version, told.degraded_since) == (1, 1, data_time(45))
    assert [(refusal.version, refusal.refused_by) for refusal in told.refusals] == [(3, "gates"), (2, "gates")]


async def test_person_is_told_at_the_loss_of_quality_where_the_refusals_came_before() -> None:
    loop = Loop(triggers=ONLY_DATA, backoff=None, escalate_after=1)
    await loop.ingest()
    await loop.promoted()
    await loop.ingest()
    assert await loop.refused() == []

    assert [type(fact) for fact in await loop.degraded()] == [RetrainingEscalated]


async def test_person_is_told_again_only_after_something_changed() -> None:
    loop = Loop(triggers=ONLY_DATA, backoff=None, escalate_after=1)
    await loop.ingest()
    await loop.promoted()
    await loop.degraded()
    told = []
    for person in (False, False, True, False):
        if person:
            await loop.hear(StartTrainingRun(pipeline=examples.NAME))
            await loop.refused()
        await loop.ingest()
        told.append(bool(await loop.refused()))

    assert told == [True, False, True, False]


async def test_loss_of_quality_ends_with_another_champion() -> None:
    loop = Loop(triggers=ONLY_DATA, backoff=None, escalate_after=1)
    await loop.ingest()
    await loop.promoted()
    await loop.degraded()
    await loop.ingest()
    await loop.promoted()
    await loop.ingest()

    assert await loop.refused() == []
    pipeline = await loop.story.pipelines.get(examples.NAME)
    assert pipeline is not None
    assert pipeline.degraded is None
