"""Each service is killed in the middle of the loop; the loop finishes by itself, once."""

from pathlib import Path

import pytest

from contracts.ingestion import DatasetIngested, IngestDataset
from contracts.message import Event
from contracts.registry import ModelVersionPromoted, ModelVersionRegistered
from contracts.serving import RolloutCompleted
from contracts.training import PipelineRegistered, TrainingRunStarted, TrainingRunSucceeded
from everloop.template import new_pipeline
from tests.fixtures.platform import TURN_WITHIN_S, RunningPlatform, ready, told

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.mark.parametrize(
    ("service", "after"),
    [
        ("ingestion", None),
        ("training", DatasetIngested),
        ("training", TrainingRunStarted),
        ("registry", TrainingRunStarted),
        ("serving", TrainingRunSucceeded),
        ("monitoring", ModelVersionPromoted),
    ],
)
async def test_the_loop_finishes_once(
    platform: RunningPlatform, tmp_path: Path, service: str, after: type[Event] | None
) -> None:
    await ready(platform)
    name = f"{service}_{after.__name__.lower() if after else 'at_once'}"
    where = new_pipeline(name, tmp_path)
    async with platform.client() as client:
        since = await client.bus.mark()
        platform.everloop("pipeline", "register", str(where))
        await client.wait_for(PipelineRegistered, pipeline=name, since=since, within_s=30)
        await client.bus.say(IngestDataset(pipeline=name, uri=str(where / "sample.csv")))
        if after:
            await client.wait_for(after, pipeline=name, since=since, within_s=TURN_WITHIN_S)

        killed = platform.kill(service)

        rollout = await client.wait_for(RolloutCompleted, pipeline=name, since=since, within_s=TURN_WITHIN_S)
        await platform.revived(service, killed)
        counts = {
            kind: len(await told(client, kind, name))
            for kind in (DatasetIngested, TrainingRunSucceeded, ModelVersionRegistered, ModelVersionPromoted)
        }

    assert rollout.version == 1
    assert set(counts.values()) == {1}, counts
