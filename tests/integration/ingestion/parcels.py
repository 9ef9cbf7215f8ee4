"""Ingestion on a world, with a registered pipeline and files to point at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from contracts.ingestion import DatasetIngested, DatasetRejected, IngestDataset, IngestMode
from contracts.pipeline import DatasetContract
from contracts.training import CodeSnapshot, PipelineRegistered
from services.chassis.service import Live
from services.ingestion.main import build
from services.ingestion.settings import IngestionSettings
from tests.fakes.ingestion import examples
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually


class Parcels:
    """What a person does with ingestion, and what is heard of it."""

    def __init__(self, world: World, http: httpx.AsyncClient, live: Live) -> None:
        self.world = world
        self.http = http
        self.live = live

    async def register(self, contract: DatasetContract | None = None) -> None:
        """Register the pipeline."""
        await self.world.publish(registered(contract))

    async def ingest(
        self, name: str, data: bytes | None, *, mode: IngestMode = IngestMode.APPEND, message_id: str | None = None
    ) -> None:
        """Write a file and say that it is to be ingested."""
        await ingest(self.world, name, data, mode=mode, message_id=message_id)

    async def facts(self, count: int) -> list[DatasetIngested | DatasetRejected]:
        """Wait until so many facts were said of datasets; give them in order."""

        async def said() -> list[DatasetIngested | DatasetRejected]:
            found = await facts(self.world)
            return found if len(found) >= count else []

        return await eventually(said, within_s=30)

    async def get(self, path: str) -> httpx.Response:
        """Ask for something about the pipeline."""
        return await self.http.get(f"/v1/datasets/{examples.PIPELINE}{path}")

    async def idle(self) -> None:
        """Wait until no batch is on its way."""

        async def all_ended() -> bool:
            batches = (await self.get("/batches")).json()
            return bool(batches) and not any(batch["state"] in ("received", "stored") for batch in batches)

        await eventually(all_ended, within_s=30)


@asynccontextmanager
async def parcels(world: World, **settings: object) -> AsyncIterator[Parcels]:
    """Run ingestion."""
    async with (
        world.running(build(world.settings(IngestionSettings, **settings))) as live,
        httpx.AsyncClient(base_url=live.url, timeout=30) as http,
    ):
        yield Parcels(world, http, live)


def registered(contract: DatasetContract | None = None) -> PipelineRegistered:
    """Say that the pipeline is known."""
    return PipelineRegistered(
        pipeline=examples.PIPELINE,
        definition=examples.definition(dataset=contract),
        code=CodeSnapshot(uri="/store/code/a.zip", digest=examples.DIGEST),
    )


async def ingest(
    world: World,
    name: str,
    data: bytes | None,
    *,
    mode: IngestMode = IngestMode.APPEND,
    message_id: str | None = None,
) -> None:
    """Write a file, unless it is to be missing, and say that it is to be ingested."""
    file = world.home / "inbox" / name
    _write(file, data)
    command = IngestDataset(pipeline=examples.PIPELINE, uri=str(file), mode=mode)
    await world.publish(command, message_id=message_id)


async def facts(world: World) -> list[DatasetIngested | DatasetRejected]:
    """Read everything that was said of datasets, in order."""
    both = [*await world.envelopes(DatasetIngested), *await world.envelopes(DatasetRejected)]
    return [
        (DatasetIngested if envelope.type == DatasetIngested.subject else DatasetRejected).model_validate(envelope.data)
        for envelope in sorted(both, key=lambda envelope: envelope.time)
    ]


def _write(file: Path, data: bytes | None) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if data is not None:
        file.write_bytes(data)
