"""Refusals, budgets and escalation in a running service, and what it tells of them over HTTP."""

import asyncio
import os
import sys
from datetime import timedelta
from uuid import UUID

from contracts.pipeline import Backoff, Budget, Trigger, TriggerKind
from contracts.training import RetrainingEscalated, SkipReason, TrainingRunSkipped, TrainingRunSucceeded
from tests.fakes.training import examples
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.training import job
from tests.integration.training.service import Training, registered, running

PIPELINE = f"/v1/pipelines/{examples.NAME}"
TRIGGERS = (Trigger(on=TriggerKind.DATA), Trigger(on=TriggerKind.SCHEDULE, cron="0 3 1 1 *", time_zone="Asia/Kolkata"))
TWO_MONTHS = timedelta(days=60)


async def trained(training: Training, world: World) -> UUID:
    """Have the first run end well."""
    submission = await training.submitted()
    job.succeed(training.cluster, training.store_uri, submission)
    await eventually(lambda: world.said(TrainingRunSucceeded))
    return job.run_of(submission)


async def test_cause_waits_after_a_refusal_until_data_are_newer_and_survives_a_restart(world: World) -> None:
    async with running(world) as training:
        await registered(world, triggers=TRIGGERS, backoff=Backoff(first=TWO_MONTHS))
        await world.publish(examples.dataset_ingested())
        run_id = await trained(training, world)
        await world.publish(examples.model_version_rejected(run_id))
        await eventually(lambda: verdict_of(training, run_id))
        await world.publish(examples.dataset_ingested(2))
        (waits,) = await eventually(lambda: world.said(TrainingRunSkipped))
        retraining = (await training.get(PIPELINE))["retraining"]
        verdict = await verdict_of(training, run_id)
    async with running(world) as training:
        await world.publish(examples.dataset_ingested(3))
        await training.submitted(2)
        after = (await training.get(PIPELINE))["retraining"]

    until = examples.DATA_TIME + timedelta(days=30) + TWO_MONTHS
    assert (waits.reason, waits.waits, waits.waits_for_data_of) == (SkipReason.BACKOFF, True, until)
    (waiting,) = retraining["waiting"]
    assert (waiting["reason"], waiting["cause"]["kind"]) == ("backoff", "data")
    assert [(one["kind"], one["refusals"]) for one in retraining["backoffs"]] == [("data", 1)]
    assert retraining["refused"] == [str(run_id)]
    assert retraining["next_scheduled"].endswith("-12-31T21:30:00Z")
    assert (verdict["outcome"], verdict["by"]) == ("refused", "gates")
    assert after["waiting"] == []


async def verdict_of(training: Training, run_id: UUID) -> dict[str, str]:
    verdict: dict[str, str] = (await training.get(f"/v1/runs/{run_id}"))["verdict"]
    return verdict


async def test_budget_is_told_and_a_person_where_quality_is_lost_for_good(world: World) -> None:
    async with running(world) as training:
        await registered(world, budget=Budget(max_runs=1), escalate_after=1)
        await world.publish(examples.dataset_ingested())
        run_id = await trained(training, world)
        await world.publish(examples.quality_degraded())
        await world.publish(examples.model_version_rejected(run_id))
        (escalated,) = await eventually(lambda: world.said(RetrainingEscalated))
        await world.publish(examples.dataset_ingested(2))

        async def over_budget() -> bool:
            return SkipReason.BUDGET in [skipped.reason for skipped in await world.said(TrainingRunSkipped)]

        await eventually(over_budget)
        retraining = (await training.get(PIPELINE))["retraining"]
        told = await typed(training, world, "runs", examples.NAME)

    assert "flights needs a person: auc of version 1 fell to 0.6" in told
    assert "refused by gates: auc 0.70 is not above" in told
    assert "flights waits with " in told
    assert "flights has 0 runs left until " in told
    assert [refusal.run_id for refusal in escalated.refusals] == [run_id]
    assert {one["reason"] for one in retraining["waiting"]} <= {"budget", "backoff"}
    assert (retraining["budget"]["runs"], retraining["budget"]["runs_left"]) == (1, 0)
    assert retraining["escalated_at"] is not None
    assert retraining["degraded"]["version"] == 1


async def typed(training: Training, world: World, *words: str) -> str:
    """Have a person type a command of `everloop`; gives what it prints."""
    services = ("ingestion", "training", "registry", "serving", "monitoring")
    urls = {f"EVERLOOP_{name.upper()}_URL": str(training.http.base_url) for name in services}
    environment = {**os.environ, **urls, "EVERLOOP_HOME": str(world.home), "EVERLOOP_NATS_URL": world.broker.url}
    command = (sys.executable, "-m", "everloop.cli.main", *words)
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()
