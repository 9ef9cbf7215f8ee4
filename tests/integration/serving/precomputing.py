"""Serving whose known rows are scored in advance, by jobs that the test carries out; and a replica that looks."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from contracts.jobs import PredictionSpec
from contracts.precompute import (
    PrecomputationCompleted,
)
from contracts.registry import ModelVersionPromoted, PromotionKind
from contracts.serving import PredictionsServed
from everloop import storage
from ray_jobs.predict import predict
from services.chassis.jobs import JobStatus
from services.chassis.telemetry import Telemetry
from services.serving.board import BusBoard
from services.serving.replica.answering import Answering
from services.serving.replica.following import Follower, ReplicaSettings, load
from services.serving.replica.http import Inference
from services.serving.replica.lookup import Precomputed
from services.serving.replica.prediction_log import PredictionLog
from services.serving.replica.shelf import Shelf
from tests.fakes.folder_jobs import FolderJobs
from tests.fixtures.bundles import DEFINITION, Bundles
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.serving import known_rows

MODEL = DEFINITION.name


class Stage:
    """A model whose rows are precomputed, its data, and a cluster whose jobs the test carries out."""

    def __init__(self, world: World, bundles: Bundles) -> None:
        self.world = world
        self.bundles = bundles
        self.jobs = FolderJobs(world.home / "jobs")
        self.lake = str(world.home / "lake")
        self.rows: list[dict[str, Any]] = []

    async def register(self) -> None:
        await self.world.publish(known_rows.registered())

    async def ingest(self, count: int = 20) -> None:
        """Add rows; no two have the same key."""
        new = known_rows.rows(len(self.rows), count)
        self.rows += new
        await self.world.publish(known_rows.ingest(self.lake, new))

    async def promote(self, version: int) -> None:
        uri, digest = self.bundles.write(version)
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

    def running(self) -> list[str]:
        """Name the jobs that the cluster has and nobody has carried out."""
        return [name for name in self.jobs.submissions() if self._seen(name)["status"] == "running"]

    async def carry_out(self) -> None:
        """Do what every running job is to do."""
        for name in self.running():
            spec = PredictionSpec.model_validate_json(storage.read_bytes(self._seen(name)["command"][-1]))
            await asyncio.to_thread(predict, spec)
            self.jobs.end(name, JobStatus.SUCCEEDED, exit_code=0)

    async def precomputed(self, version: int, dataset_version: int) -> PrecomputationCompleted:
        """Wait until a version has scored a dataset version, carrying out its job."""

        async def found() -> PrecomputationCompleted | None:
            await self.carry_out()
            said = await self.world.said(PrecomputationCompleted)
            return next((one for one in said if (one.version, one.dataset_version) == (version, dataset_version)), None)

        return await eventually(found, within_s=40)

    def _seen(self, name: str) -> dict[str, Any]:
        seen: dict[str, Any] = json.loads((self.world.home / "jobs" / f"{name}.json").read_text())
        return seen


class Replica:
    """What a replica is, without Ray Serve around it."""

    def __init__(self, world: World) -> None:
        self.world = world
        settings = ReplicaSettings.model_construct(code_dir=world.home / "code", max_rows=1000)
        self.shelf = Shelf(lambda one, difference: load(settings, one, difference))
        log = PredictionLog(_nowhere, pipeline=MODEL, replica="one", capacity_rows=10**6, flush_s=60)
        self.precomputed = Precomputed(MODEL, max_keys=1000)
        self.follower = Follower(MODEL, "one", self.shelf, log)
        self.follower.lookup_id = lambda: self.precomputed.id
        answering = Answering(MODEL, self.shelf, log, Telemetry("serving"), trace_ratio=0.0)
        self.app = Inference(answering, max_request_bytes=100_000, look_up=self.precomputed.answer).app()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        board = BusBoard(self.world.bus)
        async with board.changes() as changes, asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self.follower.follow(board, changes)),
                tasks.create_task(self.follower.tell(board)),
                tasks.create_task(self.precomputed.run(board)),
            ]
            yield
            for task in running:
                task.cancel()

    async def post(self, path: str, content: object) -> Any:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://serve/v1/models/{MODEL}") as client:
            answer = await client.post(path, json=content)
        assert answer.is_success, answer.text
        return answer.json()

    async def look_up(self, rows: Sequence[dict[str, Any]], *, with_rows: bool = False) -> list[dict[str, Any]]:
        """Ask for the scores of rows by their keys."""
        asked: dict[str, Any] = {"keys": [known_rows.key(row) for row in rows]}
        if with_rows:
            asked["rows"] = [_features(row) for row in rows]
        answers: list[dict[str, Any]] = (await self.post("/lookup", asked))["answers"]
        return answers

    async def predict(self, rows: Sequence[dict[str, Any]]) -> list[float]:
        """Ask for the scores of rows, live."""
        answered = await self.post("/predict", [_features(row) for row in rows])
        return [one["score"] for one in answered["predictions"]]


@pytest.fixture
def stage(sqlite_world: World, bundles: Bundles) -> Stage:
    return Stage(sqlite_world, bundles)


@contextmanager
def process(world: World, *place: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service in a process of its own, which may be told where to die."""
    environment = {**os.environ, "EVERLOOP_HOME": str(world.home), "EVERLOOP_NATS_URL": world.broker.url}
    command = [sys.executable, "-m", "tests.integration.serving.mortal", str(world.home / "jobs"), *place]
    world.home.mkdir(parents=True, exist_ok=True)
    with (world.home / "serving.log").open("ab") as output:
        running = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def _features(row: dict[str, Any]) -> dict[str, Any]:
    return {column.name: row[column.name] for column in DEFINITION.dataset.features}


async def _nowhere(message: PredictionsServed, message_id: str) -> None:
    """Take what is published."""
