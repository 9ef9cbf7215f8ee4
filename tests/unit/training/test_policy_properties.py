"""Whatever happens in whatever order, twice or half: budgets are kept, no cause is lost, nobody is told twice."""

from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from contracts.message import Message
from contracts.pipeline import Backoff, Budget, Policy, Trigger, TriggerKind
from contracts.training import (
    ApproveTrainingRun,
    CancelTrainingRun,
    FailureReason,
    RetrainingEscalated,
    SkipReason,
    StartTrainingRun,
    TrainingRunSkipped,
)
from services.chassis.errors import RejectedError
from services.chassis.subscriptions import Cause
from services.training.causes import Hearing
from services.training.domain import Pipeline, specify
from services.training.run import Run, RunState
from services.training.standing import Outcome
from tests.fakes.training import examples
from tests.fakes.training.story import Story

HOUR = timedelta(hours=1)
CAUSES = ["ingest", "drift", "quality", "labels", "person"]
LIFE = ["work", "crash", "approve", "cancel", "promote", "demote", "decline"]
# What a loop does mostly comes mostly: a run is seen through, and its candidate is refused.
LOOP = ["ingest", "ingest", "succeed", "succeed", "refuse", "refuse"]


@dataclass(frozen=True)
class Step:
    """Something happens some hours after what happened before; once, or twice, or not before a crash."""

    what: str
    hours: int
    day: int
    twice: bool
    dies: bool


steps = st.lists(
    st.builds(
        Step,
        what=st.sampled_from([*CAUSES, *LIFE, *LOOP]),
        hours=st.integers(0, 4),
        day=st.integers(1, 90),
        twice=st.booleans(),
        dies=st.booleans(),
    ),
    min_size=20,
    max_size=60,
)
budgets = st.one_of(
    st.builds(Budget, max_runs=st.integers(1, 2), time_zone=st.sampled_from(["UTC", "Asia/Kolkata"])),
    st.builds(Budget, max_compute_s=st.sampled_from([3600.0, 20_000.0])),
)
backoffs = st.sampled_from([None, Backoff(first=timedelta(days=100), ceiling=timedelta(days=300))])


@dataclass
class World:
    """A story, its clock, and everything that was said in it."""

    story: Story
    now: datetime = examples.NOON
    said: list[Message] = field(default_factory=list)
    versions: int = 0
    models: int = 0
    heard: int = 0

    async def pipeline(self) -> Pipeline:
        pipeline = await self.story.pipelines.get(examples.NAME)
        assert pipeline is not None
        return pipeline

    async def runs(self) -> list[Run]:
        return await self.story.runs.recent(examples.NAME, limit=1000)

    async def take(self, step: Step) -> None:
        self.now += step.hours * HOUR
        if step.what in ("work", "succeed", "refuse", "promote", "decline", "crash"):
            await self.work(step.what)
        message = await self.message(step)
        if message is None:
            return
        self.heard += 1
        envelope = examples.message(self.heard, at=self.now)
        if step.dies:
            with suppress(RejectedError):
                await self.story.die_hearing(message, envelope)
        self.said += await self.hear(message, envelope)
        if step.twice:
            assert await self.hear(message, envelope) == []

    async def hear(self, message: Message, envelope: Cause) -> list[Message]:
        facts: list[Message] = []
        with suppress(RejectedError):  # what a person says twice
            facts = await self.story.hear(message, envelope)
        return [fact for fact in facts if isinstance(fact, TrainingRunSkipped | RetrainingEscalated)]

    async def message(self, step: Step) -> Message | None:
        active = await self.story.runs.active(examples.NAME)
        done = [run for run in await self.runs() if run.state is RunState.SUCCEEDED and run.verdict is None]
        champion = (await self.pipeline()).champion
        match step.what:
            case "ingest":
                self.versions += 1
                return examples.dataset_ingested(self.versions)
            case "drift":
                return examples.drift_detected(step.day)
            case "quality":
                version = champion.version if champion else 1
                return examples.quality_degraded(step.day).model_copy(update={"version": version})
            case "labels":
                return examples.ground_truth_recorded(step.day * 10)
            case "person":
                return StartTrainingRun(pipeline=examples.NAME)
            case "approve" if active and active.state is RunState.AWAITING_APPROVAL:
                return ApproveTrainingRun(pipeline=examples.NAME, run_id=active.run_id, approved_by="ada")
            case "cancel" if active and active.state is not RunState.STOPPING:
                return CancelTrainingRun(pipeline=examples.NAME, run_id=active.run_id)
            case "refuse" | "decline" if done:
                self.models += 1
                by = "gates" if step.what == "refuse" else "ada"
                return examples.model_version_rejected(done[0].run_id, self.models, rejected_by=by, decided_at=self.now)
            case "promote" if done:
                self.models += 1
                return examples.model_version_promoted(self.models, run_id=done[0].run_id, decided_at=self.now)
            case "demote" if champion:
                return examples.model_version_demoted(champion.version, decided_at=self.now)
        return None

    async def work(self, what: str) -> None:
        """Do what the cluster and the reconciler do with the active run, until it has ended unless it crashes."""
        while (run := await self.story.runs.active(examples.NAME)) and run.state is not RunState.AWAITING_APPROVAL:
            if run.state is RunState.DEBOUNCING:
                dataset = await self.story.pipelines.dataset(examples.NAME, run.dataset_version)
                assert dataset is not None
                spec = specify(run, await self.pipeline(), dataset, "/store/runs/x")
                run = run.pin(spec, dataset.last_event).run
            elif run.state is RunState.SUBMITTING:
                run = run.submitted(self.now).run
            elif run.state is RunState.STOPPING:
                run = run.fail(FailureReason.CANCELLED, "stopped", self.now).run
            elif what == "crash":
                run = run.retry_or_fail(FailureReason.CRASHED, "boom", self.now).run
            elif what != "work":
                self.now += HOUR
                run = run.succeed(examples.result(), self.now).run
            await self.story.runs.save(run)
            if what in ("work", "crash"):
                return

    async def remind(self) -> None:
        """Do what the reminders do: decide again until that changes nothing."""
        hearing = Hearing(self.story.pipelines, self.story.runs, self.story.causes, self.now)
        for _ in range(3):
            if not await hearing.ripe(await self.pipeline()):
                return
            facts = await hearing.ripen(await self.pipeline())
            self.said += [fact for fact in facts if isinstance(fact, TrainingRunSkipped)]
        raise AssertionError("what waits is decided again and again")

    async def settle(self) -> None:
        """Let a year of data come and days with better models pass, until nothing is in anybody's way."""
        self.versions += 12
        for _ in range(5):
            for what in ("ingest", "approve", "promote"):
                await self.take(Step(what, 9, 1, twice=False, dies=False))
                await self.remind()


def day(moment: datetime, budget: Budget) -> object:
    return (moment + timedelta(hours=5, minutes=30) if budget.time_zone == "Asia/Kolkata" else moment).date()


def keeps(budget: Budget, runs: Sequence[Run], people: Set[str]) -> None:
    """Check that what no person let begin found something of its day's budget left."""
    begun = sorted((run for run in runs if run.begun_at), key=lambda run: (run.begun_at, run.created_at))
    for place, run in enumerate(begun):
        by_itself = run.automatic and run.approved_by not in people
        assert run.begun_at is not None
        before = [
            one for one in begun[:place] if one.begun_at and day(one.begun_at, budget) == day(run.begun_at, budget)
        ]
        if by_itself and budget.max_runs:
            assert len(before) < budget.max_runs
        if by_itself and budget.max_compute_s and before:
            assert sum(one.compute_s for one in before) < budget.max_compute_s


@settings(max_examples=40, deadline=None, phases=[Phase.generate])
@given(steps=steps, budget=budgets, backoff=backoffs, drift=st.sampled_from([Policy.AUTO, Policy.ASK]))
async def test_any_order_keeps_the_budget_and_every_cause(
    steps: Sequence[Step], budget: Budget, backoff: Backoff | None, drift: Policy
) -> None:
    triggers = (
        Trigger(on=TriggerKind.DATA),
        Trigger(on=TriggerKind.DRIFT, policy=drift),
        Trigger(on=TriggerKind.QUALITY),
        Trigger(on=TriggerKind.LABELS, min_new_labels=100),
    )
    pipeline = examples.pipeline(triggers=triggers, budget=budget, backoff=backoff, escalate_after=2)
    world = World(Story(pipeline))
    await world.take(Step("ingest", 0, 1, twice=False, dies=False))
    waited: set[str] = set()
    for step in steps:
        await world.take(step)
        await world.remind()

        runs = await world.runs()
        heard = await world.story.causes.recent(examples.NAME, limit=1000)
        assert sum(not run.state.finished for run in runs) <= 1
        assert len({run.cause.message_id for run in runs}) == len(runs)
        assert {cause.run_id for cause in heard if cause.reason is None} == {run.run_id for run in runs}
        wishes = {f"cause:{one.cause.message_id}" for one in heard if one.cause.kind is TriggerKind.PERSON}
        keeps(budget, runs, {"ada", *wishes})
        told = {fact.cause.message_id: fact for fact in world.said if isinstance(fact, TrainingRunSkipped)}
        for cause in heard:
            if cause.reason is not None:
                last = told[cause.cause.message_id]
                assert (last.reason, last.waits, last.waits_until) == (cause.reason, cause.due, cause.waits_until)
        kinds = [cause.cause.kind for cause in heard if cause.due]
        assert len(kinds) == len(set(kinds))
        waited |= {cause.cause.message_id for cause in heard if cause.due}

    await world.settle()

    heard = await world.story.causes.recent(examples.NAME, limit=1000)
    assert [cause for cause in heard if cause.due] == []
    ended = {cause.reason for cause in heard if cause.cause.message_id in waited}
    assert ended <= {None, SkipReason.DUPLICATE, SkipReason.NO_NEW_DATA}
    escalations = [fact for fact in world.said if isinstance(fact, RetrainingEscalated)]
    told_of = [refusal.run_id for fact in escalations for refusal in fact.refusals]
    assert len(told_of) == len(set(told_of))
    refused = {run.run_id for run in await world.runs() if run.verdict and run.verdict.outcome is Outcome.REFUSED}
    assert {*told_of} <= refused
