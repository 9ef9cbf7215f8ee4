"""A person's way to a model over the broker: the client against service and replica."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from contracts.inference import RequestInference
from contracts.rollout import Scaling
from everloop.client import Platform, PlatformUnreachableError, RefusedError, TimedOutError, connect
from everloop.platform.state import Endpoints
from services.chassis.streams import reconcile_consumer
from services.serving.domain import Plan, RolloutState
from services.serving.inferences.waking import Waker
from services.serving.main import assemble
from services.serving.ports import Deployments, Rollouts
from services.serving.replica.messages.requests import requests_of
from services.serving.settings import ServingSettings
from tests.fakes.jobs import InMemoryJobs
from tests.fakes.serving.cluster import InMemoryCluster
from tests.fakes.serving.examples import deployment, rollout
from tests.fixtures.bundles import STEP, Bundles
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.serving.replicas import MODEL, desire, replica

ROWS = [{"x": 1.0, "carrier": "UA"}, {"x": 2.0, "carrier": "DL"}]


@pytest.fixture
async def platform(sqlite_world: World) -> AsyncIterator[Platform]:
    """A platform of the service alone."""
    service = assemble(sqlite_world.settings(ServingSettings), InMemoryCluster(), InMemoryJobs())
    async with sqlite_world.running(service) as live:
        endpoints = Endpoints(nats=sqlite_world.broker.url, services={"serving": live.url}, ray="", serve="", otlp="")
        async with connect(endpoints) as platform:
            yield platform


async def test_model_is_asked_over_nats(sqlite_world: World, platform: Platform, bundles: Bundles) -> None:
    with pytest.raises(PlatformUnreachableError, match="nobody answers"):
        await platform.predict(MODEL, ROWS, over="nats")
    await desire(sqlite_world.bus, bundles, 1)
    async with replica(sqlite_world.broker.url):
        answer = await platform.predict(MODEL, ROWS, over="nats")
        with pytest.raises(RefusedError, match="carrier"):
            await platform.predict(MODEL, [{"x": 1.0}], over="nats")

    assert (answer.model, answer.version, list(answer.scores)) == (MODEL, 1, [1.0 + STEP, 2.0 + STEP])


async def test_result_is_found_by_its_id_without_any_replica(
    sqlite_world: World, platform: Platform, bundles: Bundles
) -> None:
    await desire(sqlite_world.bus, bundles, 1)
    good, bad = await platform.request_inference(MODEL, ROWS), await platform.request_inference(MODEL, [{"x": 1.0}])
    with pytest.raises(TimedOutError):
        await platform.inference(good)
    async with replica(sqlite_world.broker.url):
        answer = await platform.inference(good, within_s=10)
        with pytest.raises(RefusedError, match=r"carrier.*\(400\)"):
            await platform.inference(bad, within_s=10)

    assert (answer.version, list(answer.scores)) == (1, [1.0 + STEP, 2.0 + STEP])
    assert list((await platform.inference(good)).prediction_ids) == [f"{good.hex}-0", f"{good.hex}-1"]
    url = f"{platform.endpoints.of('serving')}/v1/inferences"
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{url}/{uuid4()}")).status_code == 404
        assert (await client.get(f"{url}/none")).status_code == 422


async def test_what_waits_and_what_was_done_is_told(sqlite_world: World, bundles: Bundles) -> None:
    await desire(sqlite_world.bus, bundles, 1)
    async with (
        replica(sqlite_world.broker.url) as part,
        connect(Endpoints(nats=sqlite_world.broker.url, services={}, ray="", serve="", otlp="")) as platform,
    ):
        for _ in range(3):
            await platform.request_inference(MODEL, ROWS)
        await platform.predict(MODEL, ROWS, over="nats")

        await eventually(lambda: part.follower.report().messages.requests_completed == 3)

    counts = part.follower.report().messages
    assert (counts.replied, counts.requests_waiting, counts.dead_letters) == (1, 0, 0)


async def test_sleeping_model_is_woken_for_what_waits(sqlite_world: World) -> None:
    cluster = Woken()
    service = assemble(sqlite_world.settings(ServingSettings), cluster, InMemoryJobs())
    sleeps = deployment(
        pipeline=MODEL, answering=rollout().id, plan=Plan(scaling=Scaling(min_replicas=0, max_replicas=1))
    )
    async with sqlite_world.running(service) as live:
        await reconcile_consumer(sqlite_world.bus, requests_of(MODEL))
        async with live.work.transaction() as transaction:
            await transaction.port(Rollouts).save(rollout(pipeline=MODEL, state=RolloutState.COMPLETED))
            await transaction.port(Deployments).save(sleeps)
        await Waker(cluster).step(live.work)
        assert cluster.asked == []

        await sqlite_world.publish(RequestInference(pipeline=MODEL, rows=({"x": 1.0},)))

        await eventually(lambda: (MODEL, 1) in cluster.asked)


class Woken(InMemoryCluster):
    """Tells who was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, int]] = []

    async def reaches(self, pipeline: str, version: int) -> bool:
        self.asked.append((pipeline, version))
        return await super().reaches(pipeline, version)
