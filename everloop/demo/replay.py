"""The year, replayed: flights are asked about in the order they leave, outcomes follow as they arrive."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.ingestion import DatasetIngested, IngestDataset
from contracts.message import Event, utc_now
from contracts.monitoring import GroundTruth, RecordGroundTruth
from contracts.pipeline import DatasetContract
from everloop.client import Platform, Receipt, TimedOutError
from everloop.demo.story import Story
from everloop.demo.traffic import Answers, Traffic, outcomes

LABELS_PER_MESSAGE = 1000
TURN_TIMEOUT_S = 240
GLANCE_S = 0.25
STREAMS = ("EVENTS", "COMMANDS", "PREDICTIONS")
TRICKLE_PAUSE_S = 0.1


@dataclass(slots=True)
class Replay:
    """One pipeline's platform, seen from outside, and the clock of the data."""

    platform: Platform
    pipeline: str
    contract: DatasetContract
    story: Story
    traffic: Traffic
    unknown: list[tuple[datetime, GroundTruth]] = field(default_factory=list)

    async def ingest(self, path: Path) -> Receipt:
        """Hand in a file and wait until it is a dataset version."""
        asked_at = utc_now()
        receipt = await self.platform.bus.say(IngestDataset(pipeline=self.pipeline, uri=str(path)), source="demo")
        self.story.handed_in[receipt.message_id] = asked_at
        await self.hear(DatasetIngested, since=receipt.mark)
        return receipt

    async def hear(self, event: type[Event], *, since: int) -> None:
        """Wait for an event about the pipeline."""
        await self.platform.wait_for(event, pipeline=self.pipeline, since=since, within_s=TURN_TIMEOUT_S)

    async def ask(self, flights: pa.Table, *, traceparent: str | None = None) -> Answers:
        """Ask about flights, and keep in mind how they will end."""
        answers = await self.traffic.ask(flights, traceparent=traceparent)
        self.unknown += outcomes(flights, answers, self.contract)
        return answers

    async def live_through(self, flights: pa.Table) -> Answers:
        """Ask about flights day by day; each day ends with the outcomes that became known in it."""
        answers = Answers.empty(flights.num_rows)
        days = pc.floor_temporal(flights[self.contract.event_time.name], unit="day").to_numpy()
        for day in np.unique(days):
            (places,) = np.nonzero(days == day)
            start, stop = int(places[0]), int(places[-1]) + 1
            today = flights.slice(start, stop - start)
            answers.put(start, await self.ask(today))
            await self.tell_outcomes(until=pa.scalar(day).as_py() + timedelta(days=1))
        return answers

    async def tell_outcomes(self, until: datetime | None = None) -> None:
        """Say how flights ended, as far as is known at a moment; without one, all that is left."""
        limit = until.replace(tzinfo=UTC) if until else None
        known = [truth for at, truth in self.unknown if limit is None or at < limit]
        self.unknown = [(at, truth) for at, truth in self.unknown if limit is not None and at >= limit]
        for start in range(0, len(known), LABELS_PER_MESSAGE):
            labels = tuple(known[start : start + LABELS_PER_MESSAGE])
            await self.platform.bus.say(RecordGroundTruth(pipeline=self.pipeline, labels=labels), source="demo")

    async def settle(self) -> None:
        """Wait until every message is handled, no run is under way and no rollout is open.

        Raises:
            TimedOutError: Something goes on and on.
        """
        try:
            async with asyncio.timeout(TURN_TIMEOUT_S):
                # Twice in a row: between two looks a message may pass from an outbox to the bus.
                quiet = 0
                while quiet < 2:
                    quiet = quiet + 1 if await self._quiet() else 0
                    await asyncio.sleep(GLANCE_S)
        except TimeoutError as error:
            raise TimedOutError(f"the loop did not come to rest within {TURN_TIMEOUT_S} s") from error

    @asynccontextmanager
    async def one_by_one(self, flights: pa.Table, answers: Answers) -> AsyncIterator[None]:
        """Ask about one flight after the other for as long as the block lasts, whatever changes underneath."""
        done = asyncio.Event()

        async def trickle() -> None:
            place = 0
            while place < flights.num_rows and not done.is_set():
                answers.append(await self.ask(flights.slice(place, 1)))
                place += 1
                await asyncio.sleep(TRICKLE_PAUSE_S)

        task = asyncio.create_task(trickle())
        try:
            yield
        finally:
            done.set()
            await task

    async def _quiet(self) -> bool:
        for stream in STREAMS:
            listed = await self.platform.bus.ask(f"CONSUMER.LIST.{stream}", offset=0)
            for consumer in listed.get("consumers") or ():
                durable = "durable_name" in consumer["config"]
                if durable and (consumer["num_pending"] or consumer["num_ack_pending"]):
                    return False
        runs = await self.platform.get("training", "/v1/runs", pipeline=self.pipeline)
        rollouts = await self.platform.get("serving", "/v1/rollouts", pipeline=self.pipeline)
        open_runs = {"debouncing", "submitting", "running", "stopping"}
        open_rollouts = {"pending", "loading", "flipping"}
        return not any(run["state"] in open_runs for run in runs) and not any(
            rollout["state"] in open_rollouts for rollout in rollouts
        )
