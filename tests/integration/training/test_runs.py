"""Training with a real broker and database, and a cluster whose jobs the test plays."""

import json
from typing import Any

import nats
import pytest

from contracts.envelope import seal
from contracts.pipeline import Policy, Trigger, TriggerKind
from contracts.training import (
    CancelTrainingRun,
    FailureReason,
    SkipReason,
    StartTrainingRun,
    TrainingRunAwaitingApproval,
    TrainingRunFailed,
    TrainingRunProgressed,
    TrainingRunSkipped,
    TrainingRunStarted,
    TrainingRunSucceeded,
)
from everloop import storage
from services.chassis.jobs import JobStatus
from tests.fakes.training import examples
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.training import job
from tests.integration.training.service import Training, registered, running

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


async def test_data_become_a_model(world: World) -> None:
    async with running(world) as training:
        await registered(world)
        await world.publish(examples.dataset_ingested())
        submission = await training.submitted()
        job.progress(training.store_uri, submission, "fit", 0.4)
        await eventually(lambda: world.said(TrainingRunProgressed))
        job.succeed(training.cluster, training.store_uri, submission)

        (succeeded,) = await eventually(lambda: world.said(TrainingRunSucceeded))

        run = await training.get(f"/v1/runs/{succeeded.run_id}")
    (started,) = await world.said(TrainingRunStarted)
    assert (started.run_id, started.attempt, succeeded.metrics) == (succeeded.run_id, 1, {"auc": 0.75})
    assert (run["state"], run["progress"]["stage"], run["cause"]["kind"]) == ("succeeded", "fit", "data")


@pytest.mark.parametrize("body", [b"{}", b"", b'{"reason": "because", "parameters": {"leaves": 7}}'])
async def test_plain_json_of_a_bare_client_starts_exactly_one_run(sqlite_world: World, body: bytes) -> None:
    subject = f"{StartTrainingRun.subject}.{examples.NAME}"
    async with running(sqlite_world) as training:
        await registered(sqlite_world, triggers=())
        await sqlite_world.publish(examples.dataset_ingested())
        await eventually(lambda: training.get(f"/v1/pipelines/{examples.NAME}"))
        await eventually(lambda: dataset_of(training))

        client = await nats.connect(sqlite_world.broker.url)
        await client.publish(subject, body)
        await client.flush()
        submission = await training.submitted()
        job.succeed(training.cluster, training.store_uri, submission)
        await eventually(lambda: sqlite_world.said(TrainingRunSucceeded))

        stream = client.jetstream()
        for _ in range(2):
            await stream.publish(subject, body, headers={"Nats-Msg-Id": "typed-by-hand"})
        await client.close()
        submission = await training.submitted(2)
        triggers = await training.settled(2)
    assert len(await sqlite_world.said(TrainingRunStarted)) == 2
    assert (len(triggers), triggers[0]["cause"]["message_id"]) == (2, "typed-by-hand")


async def dataset_of(training: Training) -> Any:
    return (await training.get(f"/v1/pipelines/{examples.NAME}"))["dataset"]


async def test_message_delivered_again_long_after_starts_no_second_run(world: World) -> None:
    command = StartTrainingRun(pipeline=examples.NAME)
    body = seal(command, message_id="wish-1", source="test", time=examples.NOON).to_bytes()
    cloudevent = {"Content-Type": "application/cloudevents+json"}
    async with running(world) as training:
        await registered(world, triggers=())
        await world.publish(examples.dataset_ingested())
        await eventually(lambda: dataset_of(training))

        # The stream forgets ids after its window; a header of its own stands for that here.
        for header in ("first", "second"):
            await world.publish_bytes(command.address(), body, **{"Nats-Msg-Id": header, **cloudevent})
        await world.publish(StartTrainingRun(pipeline=examples.NAME), message_id="wish-2")
        await training.settled(2)

        assert [run["cause"]["message_id"] for run in await training.get("/v1/runs")] == ["wish-1"]
    assert [skipped.reason for skipped in await world.said(TrainingRunSkipped)] == [SkipReason.DUPLICATE]


async def test_causes_at_once_start_one_run(world: World) -> None:
    async with running(world) as training:
        await registered(world)
        await world.publish(examples.dataset_ingested())
        await world.publish(examples.drift_detected())
        await world.publish(examples.quality_degraded())
        await world.publish(StartTrainingRun(pipeline=examples.NAME))

        await training.settled(4)
        await training.submitted()
        runs = await training.get("/v1/runs")
    assert len(runs) == len(training.cluster.submissions()) == 1
    reasons = [skipped.reason for skipped in await world.said(TrainingRunSkipped)]
    assert len(reasons) == 3
    # Each has a consumer of its own: what is heard before the data finds none yet.
    assert set(reasons) <= {SkipReason.DUPLICATE, SkipReason.NO_DATA}


async def test_crashed_job_is_started_again(sqlite_world: World) -> None:
    async with running(sqlite_world) as training:
        await registered(sqlite_world)
        await sqlite_world.publish(examples.dataset_ingested())
        first = await training.submitted()
        training.cluster.end(first, JobStatus.FAILED, exit_code=-9, last_words="killed")
        second = await training.submitted(2)
        job.succeed(training.cluster, training.store_uri, second)

        await eventually(lambda: sqlite_world.said(TrainingRunSucceeded))
    assert [started.attempt for started in await sqlite_world.said(TrainingRunStarted)] == [1, 2]
    assert await sqlite_world.said(TrainingRunFailed) == []


async def test_cancelled_run_stops_its_job(sqlite_world: World) -> None:
    async with running(sqlite_world) as training:
        await registered(sqlite_world)
        await sqlite_world.publish(examples.dataset_ingested())
        submission = await training.submitted()
        cancel = CancelTrainingRun(pipeline=examples.NAME, run_id=job.run_of(submission), requested_by="ada")
        await sqlite_world.publish(cancel)

        (failed,) = await eventually(lambda: sqlite_world.said(TrainingRunFailed))
    assert (failed.reason, failed.detail) == (FailureReason.CANCELLED, "ada said so")


async def test_job_and_messages_continue_the_causes_trace(sqlite_world: World) -> None:
    body = StartTrainingRun(pipeline=examples.NAME).model_dump_json(exclude={"pipeline"}).encode()
    async with running(sqlite_world) as training:
        await registered(sqlite_world, triggers=())
        await sqlite_world.publish(examples.dataset_ingested())
        await eventually(lambda: dataset_of(training))
        await sqlite_world.publish_bytes(f"{StartTrainingRun.subject}.{examples.NAME}", body, traceparent=TRACEPARENT)
        submission = await training.submitted()
        await eventually(lambda: sqlite_world.said(TrainingRunStarted))
    assert training.cluster.environment(submission)["TRACEPARENT"].split("-")[1] == TRACE
    (envelope,) = await sqlite_world.envelopes(TrainingRunStarted)
    assert envelope.traceparent is not None
    assert envelope.traceparent.split("-")[1] == TRACE
    (process,) = sqlite_world.spans.named(f"process {StartTrainingRun.subject}")
    assert envelope.causationid == process.attributes["messaging.message.id"]  # type: ignore[index]


async def test_http_tells_and_takes_wishes(sqlite_world: World) -> None:
    async with running(sqlite_world) as training:
        await registered(sqlite_world, triggers=())
        await sqlite_world.publish(examples.dataset_ingested())
        await eventually(lambda: dataset_of(training))

        accepted = await training.http.post("/v1/runs", json={"pipeline": examples.NAME, "seed": 3})
        assert accepted.status_code == 202
        correlation_id = accepted.json()["correlation_id"]
        submission = await training.submitted()
        (trigger,) = await training.get("/v1/triggers", correlation_id=correlation_id)
        run = await training.get(f"/v1/runs/{trigger['run_id']}")
        log = await training.get(f"/v1/runs/{trigger['run_id']}/logs", lines=2)
        pipelines = await training.get("/v1/pipelines")
        missing = await training.http.get("/v1/runs/00000000-0000-0000-0000-000000000000")
        unknown = await training.http.post("/v1/runs", json={"pipeline": "boats"})
    assert run["submission_id"] == submission
    assert json.loads(storage.read_bytes(run["spec_uri"]))["seed"] == 3
    assert log["text"].endswith("line 999")
    assert [pipeline["name"] for pipeline in pipelines] == [examples.NAME]
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    assert unknown.status_code == 404


async def test_person_approves_and_refuses_over_http(sqlite_world: World) -> None:
    asks = (Trigger(on=TriggerKind.DATA, policy=Policy.ASK),)
    async with running(sqlite_world) as training:
        await registered(sqlite_world, triggers=asks)
        await sqlite_world.publish(examples.dataset_ingested())
        (waiting,) = await eventually(lambda: sqlite_world.said(TrainingRunAwaitingApproval))

        nobody = await training.http.post(f"/v1/runs/{waiting.run_id}/approve", json={})
        approved = await training.http.post(f"/v1/runs/{waiting.run_id}/approve", json={"by": "ada"})
        submission = await training.submitted()
        cancelled = await training.http.post(f"/v1/runs/{waiting.run_id}/cancel", json={"by": "bob"})
        (failed,) = await eventually(lambda: sqlite_world.said(TrainingRunFailed))

        run = await training.get(f"/v1/runs/{waiting.run_id}")
    assert (nobody.status_code, approved.status_code, cancelled.status_code) == (422, 202, 202)
    assert job.run_of(submission) == waiting.run_id
    assert (run["approved_by"], run["state"], failed.detail) == ("ada", "cancelled", "bob said so")


async def test_command_for_an_unknown_pipeline_is_a_dead_letter(sqlite_world: World) -> None:
    async with running(sqlite_world):
        await sqlite_world.publish(StartTrainingRun(pipeline="boats"))
        await registered(sqlite_world)

        (letter,) = await eventually(sqlite_world.dead_letters)
    assert letter.reason == "pipeline_unknown"
