"""Versions that take over step by step: real broker, database, service process and replica code, and no Ray."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from contracts.message import Message
from contracts.pipeline import PipelineDefinition
from contracts.registry import ModelVersionPromoted, PromotionKind
from contracts.rollout import Canary, Guard, Shadow
from contracts.rollout import Rollout as Plan
from contracts.serving import (
    AbortRollout,
    GuardTest,
    RolloutCompleted,
    RolloutRolledBack,
    RolloutStarted,
    RolloutStepped,
)
from contracts.training import CodeSnapshot, PipelineRegistered
from services.chassis.errors import TransientError
from services.serving.main import assemble
from services.serving.replica.errors import RequestError
from services.serving.replica.lineup import LoadedVersion
from services.serving.replica.question import Question
from services.serving.settings import ServingSettings
from tests.fakes.jobs import InMemoryJobs
from tests.fakes.serving.cluster import InMemoryCluster
from tests.fixtures.bundles import DEFINITION, STEP, Bundles
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.serving.replicas import MODEL, Part, replica

SECOND = timedelta(seconds=1)
PLAN = Plan(
    steps=(
        Shadow(bake=SECOND, min_requests=30, max_wait=60 * SECOND),
        Canary(share=0.3, bake=SECOND, min_requests=20, max_wait=60 * SECOND),
    ),
    bake=2 * SECOND,
    bake_share=0.5,
    guard=Guard(slow_s=0.03),
    timeout_s=30,
)
Spoil = Callable[[LoadedVersion], LoadedVersion]


class Stage:
    """One model with a guarded plan, and callers that never pause for long."""

    def __init__(self, world: World, bundles: Bundles) -> None:
        self.world = world
        self.bundles = bundles
        self.part: Part | None = None
        self.answers: list[tuple[int, float]] = []
        self.failures: list[str] = []

    async def register(self) -> None:
        definition = PipelineDefinition(**{**dict(DEFINITION), "rollout": PLAN})
        code = CodeSnapshot(uri="/nowhere", digest=f"sha256:{'0' * 64}")
        await self.world.publish(PipelineRegistered(pipeline=MODEL, definition=definition, code=code))

    async def promote(self, version: int, bundle: tuple[str, str] | None = None) -> None:
        uri, digest = bundle or self.bundles.write(version)
        await self.world.publish(
            ModelVersionPromoted(
                pipeline=MODEL,
                version=version,
                kind=PromotionKind.GATES,
                promoted_by="policy:auto",
                reason="all gates passed",
                run_id=uuid4(),
                bundle_uri=uri,
                bundle_digest=digest,
            )
        )

    async def said(self, kind: type[Message], version: int, *, step: int | None = None) -> Any:
        """Wait until something is said of a version, once."""

        async def found() -> Any:
            # What was asked while a test killed the broker is never answered.
            with suppress(TransientError):
                told: list[Any] = list(await self.world.said(kind))
                return [one for one in told if one.version == version and (step is None or one.step == step)]
            return []

        (one,) = await eventually(found, within_s=40, every_s=0.05)
        return one

    @asynccontextmanager
    async def service(self) -> AsyncIterator[str]:
        """Run serving in this process; gives where its API is."""
        service = assemble(self.world.settings(ServingSettings), InMemoryCluster(), InMemoryJobs())
        async with self.world.running(service) as live:
            yield live.url

    @contextmanager
    def process(self) -> Iterator["subprocess.Popen[bytes]"]:
        """Run serving as a process of its own, killed at the end."""
        command = [sys.executable, "-m", "tests.integration.serving.mortal", str(self.world.home / "jobs")]
        environment = {
            **os.environ,
            "EVERLOOP_HOME": str(self.world.home),
            "EVERLOOP_NATS_URL": self.world.broker.url,
        }
        process = subprocess.Popen(command, env=environment)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @asynccontextmanager
    async def replica(self, spoil: Spoil = lambda version: version) -> AsyncIterator[None]:
        """Run a replica, and ask it all the time."""
        async with replica(self.world.broker.url, spoil=spoil, waits=False) as self.part:
            asking = asyncio.create_task(self._ask(self.part))
            try:
                yield
            finally:
                asking.cancel()
                with suppress(asyncio.CancelledError):
                    await asking

    async def _ask(self, part: Part) -> None:
        while True:
            await asyncio.sleep(0.01)
            try:
                chosen = part.answering.choose(routing_key=str(random.random()))
                x = random.random()
                columns = {"x": [x], "stops": [None], "carrier": ["UA"]}
                answer = await part.answering.answer(chosen, Question(1, columns))
            except RequestError as error:
                self.failures.append(str(error))
            else:
                self.answers.append((answer.version, answer.scores[0] - x))


@pytest.fixture
def stage(sqlite_world: World, bundles: Bundles) -> Stage:
    return Stage(sqlite_world, bundles)


def only(version: int, predict: Callable[[Any, Any], Any]) -> Spoil:
    """Spoil one version; the first argument of ``predict`` is what the version does."""

    def spoil(loaded: LoadedVersion) -> LoadedVersion:
        if loaded.version != version:
            return loaded
        return replace(loaded, predict=lambda columns: predict(loaded.predict, columns))

    return spoil


def slow(predict: Any, columns: Any) -> Any:
    time.sleep(0.05)
    return predict(columns)


def fails(predict: Any, columns: Any) -> Any:
    raise RuntimeError("a bug in the features")


@pytest.mark.parametrize(
    ("predict", "test"),
    [(slow, GuardTest.SLOW), (fails, GuardTest.ERRORS)],
    ids=["slow", "raising"],
)
async def test_version_that_answers_badly_goes_back_from_its_shadow_step(
    stage: Stage, predict: Callable[[Any, Any], Any], test: GuardTest
) -> None:
    async with stage.service(), stage.replica(only(2, predict)):
        await stage.register()
        await stage.promote(1)
        await stage.said(RolloutCompleted, 1)
        await stage.promote(2)

        fact = await stage.said(RolloutRolledBack, 2)

    assert (fact.step, fact.serving_version) == (0, 1)
    assert test in {one.test for one in fact.verdicts if one.failed}
    assert {version for version, _ in stage.answers} == {1}
    assert set(stage.failures) <= {f"no version of {MODEL} answers yet"}


async def test_version_that_predicts_something_else_goes_back_from_its_shadow_step(stage: Stage) -> None:
    async with stage.service(), stage.replica():
        await stage.register()
        await stage.promote(1, stage.bundles.write(1001, score_edges=(1000.5 * STEP, 1001.5 * STEP)))
        await stage.said(RolloutCompleted, 1)
        await stage.promote(2)

        fact = await stage.said(RolloutRolledBack, 2)

    (failed,) = [one for one in fact.verdicts if one.failed]
    assert (fact.step, failed.test) == (0, GuardTest.SHIFT)
    assert failed.candidate == pytest.approx(1.0)
    assert {version for version, _ in stage.answers} == {1}


@pytest.mark.parametrize("wrong", ["digest mismatch", "golden mismatch"])
async def test_version_that_is_not_what_was_promoted_is_asked_nothing(stage: Stage, wrong: str) -> None:
    uri, digest = stage.bundles.write(2, golden_error=0.5 if wrong == "golden mismatch" else 0.0)
    async with stage.service(), stage.replica():
        await stage.register()
        await stage.promote(1)
        await stage.said(RolloutCompleted, 1)
        await stage.promote(2, (uri, digest if wrong == "golden mismatch" else f"sha256:{'1' * 64}"))

        fact = await stage.said(RolloutRolledBack, 2)

    assert wrong in fact.reason
    assert (fact.step, fact.verdicts) == (None, ())
    assert await stage.world.said(RolloutStepped) == []


@pytest.mark.slow
async def test_service_killed_in_every_state_finishes_one_rollout(stage: Stage) -> None:
    async with stage.replica():
        with stage.process():
            await stage.register()
            await stage.promote(1)
            await stage.said(RolloutCompleted, 1)
            await stage.promote(2)
            await stage.said(RolloutStarted, 2)
        for step in range(3):
            with stage.process():
                await stage.said(RolloutStepped, 2, step=step)
        with stage.process():
            completed = await stage.said(RolloutCompleted, 2)
        steps = [(one.version, one.step) for one in await stage.world.said(RolloutStepped)]

    assert steps == [(2, 0), (2, 1), (2, 2)]
    assert completed.previous_version == 1
    assert not [one for one in stage.answers if one[1] != pytest.approx(one[0] * STEP, abs=0.01)]
    assert stage.answers[-1][0] == 2
    assert await stage.world.said(RolloutRolledBack) == []


async def test_rollout_outlives_the_broker_in_every_step_and_every_replica(stage: Stage) -> None:
    async with stage.service() as url:
        async with stage.replica():
            await stage.register()
            await stage.promote(1)
            await stage.said(RolloutCompleted, 1)
            await stage.promote(2)
            for step in range(3):
                await stage.said(RolloutStepped, 2, step=step)
                stage.world.broker.kill()
                stage.world.broker.start()
        async with stage.replica():
            await stage.said(RolloutCompleted, 2)
        async with httpx.AsyncClient(trust_env=False) as client:
            shown = (await client.get(f"{url}/v1/rollouts")).json()[0]

    assert [one["progress"] for one in shown["stages"]] == ["over"] * 3
    assert shown["stages"][0]["candidate"]["requests"] >= 30
    assert [one["failed"] for one in shown["verdicts"]] == [False] * 4


async def test_person_aborts_a_canary_over_http(stage: Stage) -> None:
    async with stage.service() as url, stage.replica(), httpx.AsyncClient(trust_env=False) as client:
        await stage.register()
        await stage.promote(1)
        await stage.said(RolloutCompleted, 1)
        await stage.promote(2)
        stepped = await stage.said(RolloutStepped, 2, step=1)
        answer = await client.post(
            f"{url}/v1/rollouts/{stepped.rollout_id}/abort", json={"by": "ada", "reason": "complaints"}
        )
        unknown = await client.post(f"{url}/v1/rollouts/{uuid4()}/abort", json={"by": "ada", "reason": "complaints"})

        fact = await stage.said(RolloutRolledBack, 2)
        answered = len(stage.answers)
        await eventually(
            lambda: {one[0] for one in stage.answers[answered:][-50:]} == {1} and len(stage.answers) > answered + 100
        )

    assert (answer.status_code, answer.json()["command"]) == (202, AbortRollout.subject)
    assert unknown.status_code == 404
    assert (fact.reason, fact.serving_version) == ("aborted by ada: complaints", 1)
