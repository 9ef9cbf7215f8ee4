"""Serving on a real Ray, broker and store, shared by a module: starting Ray takes longer than any test."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest

from contracts.registry import ModelVersionPromoted, PromotionKind
from contracts.rollout import Rollout
from contracts.serving import RolloutCompleted, RolloutRolledBack, RolloutStepped
from contracts.training import CodeSnapshot, PipelineRegistered
from services.chassis.bus import connect
from services.chassis.errors import TransientError
from services.chassis.streams import reconcile_streams
from services.serving.main import build
from services.serving.settings import ServingSettings
from tests.fixtures.bundles import DEFINITION, STEP, Bundles
from tests.fixtures.nats import Broker
from tests.fixtures.ray import RayHead, free_port
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually

F = TypeVar("F", RolloutCompleted, RolloutRolledBack)
MODEL = DEFINITION.name
LOOK_EVERY_S = 0.2
"""At Ray or at the front: each look takes time from what one waits for."""


class Stage:
    """Everything serving needs, and one model that all tests of a module promote versions of."""

    def __init__(self, home: Path, broker: Broker, ray_head: RayHead, bundles: Bundles) -> None:
        self.home = home
        self.broker = broker
        self.ray_head = ray_head
        self.bundles = bundles
        self.numbers = count(1)
        self.api_port = free_port()

    @property
    def url(self) -> str:
        """Where the model answers."""
        return f"http://127.0.0.1:{self.ray_head.serve_port}/v2/models/{MODEL}"

    def settings(self, **more: Any) -> ServingSettings:
        """Make the settings of the service."""
        return ServingSettings(
            home=self.home,
            nats_url=self.broker.url,
            ray_url=self.ray_head.url,
            ray_token_path=None,
            serve_port=self.ray_head.serve_port,
            grpc_port=self.ray_head.grpc_port,
            **more,
        )

    @asynccontextmanager
    async def world(self) -> AsyncIterator["ServingWorld"]:
        """Be on the bus, without the service."""
        async with connect(self.broker.url, name="test") as bus:
            await reconcile_streams(bus)
            yield ServingWorld(self, World(self.home, self.broker, None, bus))

    @asynccontextmanager
    async def serving(self, **more: Any) -> AsyncIterator["ServingWorld"]:
        """Run the service in this process, with the model registered."""
        async with self.world() as world, world.world.running(build(self.settings(**more))) as live:
            world.api_url = live.url
            await world.register()
            yield world

    def process(self) -> subprocess.Popen[bytes]:
        """Run the service in a process of its own, to be killed."""
        settings = self.settings()
        environment = {
            "EVERLOOP_HOME": str(self.home),
            "EVERLOOP_NATS_URL": settings.nats_url,
            "EVERLOOP_SERVING_RAY_URL": settings.ray_url,
            "EVERLOOP_SERVING_SERVE_PORT": str(settings.serve_port),
            "EVERLOOP_SERVING_GRPC_PORT": str(settings.grpc_port),
        }
        return subprocess.Popen([sys.executable, "-m", "services.serving.main"], env=environment)


class ServingWorld:
    """What tests of serving do and see."""

    def __init__(self, stage: Stage, world: World) -> None:
        self.stage = stage
        self.world = world
        self.api_url = ""

    async def register(self, rollout: Rollout = DEFINITION.rollout) -> None:
        """Make the model known, and how its versions are served."""
        code = CodeSnapshot(uri="/nowhere", digest=f"sha256:{'0' * 64}")
        definition = DEFINITION.model_copy(update={"rollout": rollout})
        await self.world.publish(PipelineRegistered(pipeline=MODEL, definition=definition, code=code))

    async def promote(self, version: int, bundle: tuple[str, str] | None = None) -> None:
        """Say that a version is champion."""
        uri, digest = bundle or self.stage.bundles.write(version)
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

    async def completed(self, version: int, *, within_s: float = 150) -> RolloutCompleted:
        """Wait until a version's rollout is complete."""

        return await self._said_of(RolloutCompleted, version, within_s)

    async def rolled_back(self, version: int, *, within_s: float = 150) -> RolloutRolledBack:
        """Wait until a version's rollout is rolled back."""
        return await self._said_of(RolloutRolledBack, version, within_s)

    async def stepped(self, version: int, step: int, *, within_s: float = 150) -> RolloutStepped:
        """Wait until a version's rollout is in a step."""

        async def found() -> RolloutStepped | None:
            with suppress(TransientError):
                told = await self.world.said(RolloutStepped)
                return next((one for one in told if (one.version, one.step) == (version, step)), None)
            return None

        return await eventually(found, within_s=within_s)

    async def _said_of(self, fact: type[F], version: int, within_s: float) -> F:
        async def found() -> F | None:
            # A request that was under way when a test killed the broker is never answered.
            with suppress(TransientError):
                return next((one for one in await self.world.said(fact) if one.version == version), None)
            return None

        return await eventually(found, within_s=within_s)

    async def deployed(self) -> int:
        """Promote a good next version and wait until it answers; gives its number."""
        version = next(self.stage.numbers)
        await self.promote(version)
        await self.completed(version)
        return version

    async def infer(self, xs: Sequence[float], **more: Any) -> httpx.Response:
        """Ask the model over HTTP; it may have to wake first."""
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            return await client.post(f"{self.stage.url}/infer", json=request(xs, **more))

    async def answering(self) -> int | None:
        """Ask the model which version answers; None while it does not answer."""
        try:
            answer = await self.infer([1.0])
        except httpx.HTTPError:
            return None
        return version_of(answer.json()) if answer.is_success else None


def request(xs: Sequence[float], **more: Any) -> dict[str, Any]:
    """Write a request of the tiny model."""
    rows = [len(xs)]
    return {
        "inputs": [
            {"name": "x", "datatype": "FP64", "shape": rows, "data": list(xs)},
            {"name": "stops", "datatype": "INT64", "shape": rows, "data": [None] * len(xs)},
            {"name": "carrier", "datatype": "BYTES", "shape": rows, "data": ["UA"] * len(xs)},
        ],
        **more,
    }


def version_of(answer: dict[str, Any]) -> int:
    """Read the version of an answer, and hold its scores against it: no answer mixes versions."""
    version = int(answer["model_version"])
    scores = answer["outputs"][0]["data"]
    assert all(int(score // STEP) == version for score in scores), answer
    return version


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, ray_head: RayHead, bundles: Bundles) -> Iterator[Stage]:
    """One stage per module."""
    home = tmp_path_factory.mktemp("serving")
    broker = Broker(home / "nats")
    broker.start()
    yield Stage(home, broker, ray_head, bundles)
    broker.kill()
