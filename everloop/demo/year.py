"""The year itself: the first model, then month after month through the loop."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mode

import pyarrow as pa
from pyarrow import parquet

from contracts.registry import ModelVersionRejected
from contracts.serving import RolloutCompleted
from contracts.training import StartTrainingRun
from everloop.bundle.model import Model
from everloop.client import Bus
from everloop.demo.months import Month
from everloop.demo.replay import Replay
from everloop.demo.report import Show
from everloop.demo.story import Story
from everloop.demo.traffic import Answers, auc

FIRST_MONTHS = range(1, 4)
HARMED = {"rounds": 1, "num_leaves": 2, "bagging_fraction": 0.01, "bagging_freq": 1}
"""Parameters of a candidate trained on a hundredth of the rows, to show the gates where the data give no refusal."""


def files(directory: Path, months: int, sample: float) -> list[Path]:
    """Write the batches: January to March in one file, then a file for each month."""
    from ray_jobs.pipelines.flight_delays.source import batches

    first, *rest = (FIRST_MONTHS, *((month,) for month in range(4, 4 + months)))
    tables = [parquet.read_table(path) for path in batches(directory / "parts", months=first, sample=sample)]
    together = directory / "flights-2013-01-to-03.parquet"
    parquet.write_table(pa.concat_tables(tables), together)
    return [together, *(path for (month,) in rest for path in batches(directory, months=(month,), sample=sample))]


@asynccontextmanager
async def listening(bus: Bus, pipeline: str) -> AsyncIterator[Story]:
    """Write down everything said about a pipeline for as long as the block lasts."""
    story = Story()

    async def listen() -> None:
        async for heard in bus.follow(f"events.*.*.*.*.{pipeline}", since=0):
            story.said.append(heard)

    task = asyncio.create_task(listen())
    try:
        yield story
    finally:
        task.cancel()


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """The first prediction of a version, and the trace that led from its cause to it."""

    version: int
    prediction_id: str
    trace_id: str


@dataclass(slots=True)
class Year:
    """The replay of a year, month by month."""

    replay: Replay
    show: Show
    told: list[Month] = field(default_factory=list)
    traced: list[FirstAnswer] = field(default_factory=list)
    refused_on_purpose: bool = False

    async def begin(self, path: Path) -> Model:
        """Hand in the first months, wait for the first champion, and keep a copy of it for comparison."""
        receipt = await self.replay.ingest(path)
        await self.replay.hear(RolloutCompleted, since=receipt.mark)
        await self.replay.settle()
        _, first = next(self.replay.story.of(RolloutCompleted))
        await self.replay.traffic.meet()
        self.show.line(f"v{first.version} is champion and answers at {first.url}")
        return await asyncio.to_thread(Model.load, first.bundle_uri, first.bundle_digest)

    async def live(self, paths: Sequence[Path], frozen: Model) -> None:
        """Go through the months: ask, tell the outcomes, hand in the month, let the loop turn."""
        ahead = Answers.empty(0)
        for flights, following, name in _months(paths):
            self.show.title(f"{name}: {flights.num_rows:,} flights are asked about, their outcomes follow")
            start = len(self.replay.story.said)
            answers = ahead
            if rest := flights.num_rows - answers.rows:
                answers.append(await self._first_answer(flights.slice(answers.rows, 1)))
                answers.append(await self.replay.live_through(flights.slice(flights.num_rows - rest + 1)))
            await self.replay.settle()
            ahead = Answers.empty(0)
            async with self.replay.one_by_one(following, ahead):
                await self.replay.ingest(paths[len(self.told)])
                await self.replay.settle()
            self.told.append(self._tell(name, flights, answers, frozen, start))
            self.show.month(self.told[-1])
        await self.replay.tell_outcomes()
        await self.replay.settle()

    async def harm(self) -> None:
        """Where real data led to no refusal, ask for a run that is bound to be refused, and say so."""
        if any(self.replay.story.of(ModelVersionRejected)):
            return
        self.refused_on_purpose = True
        self.show.title("no candidate was refused so far: training one on a harmed sample, on purpose")
        asked = StartTrainingRun(
            pipeline=self.replay.pipeline, parameters=HARMED, requested_by="demo", reason="harmed sample, on purpose"
        )
        receipt = await self.replay.platform.bus.say(asked, source="demo")
        await self.replay.hear(ModelVersionRejected, since=receipt.mark)
        await self.replay.settle()

    async def _first_answer(self, flight: pa.Table) -> Answers:
        """Ask a new version for the first time within the trace that brought it there."""
        envelope, rollout = list(self.replay.story.of(RolloutCompleted))[-1]
        if not envelope.traceparent or any(first.version == rollout.version for first in self.traced):
            return await self.replay.ask(flight)
        answers = await self.replay.ask(flight, traceparent=envelope.traceparent)
        self.traced.append(FirstAnswer(rollout.version, answers.prediction_ids[0], envelope.traceparent.split("-")[1]))
        return answers

    def _tell(self, name: str, flights: pa.Table, answers: Answers, frozen: Model, start: int) -> Month:
        contract, story = self.replay.contract, self.replay.story
        return Month(
            month=name,
            flights=flights.num_rows,
            auc_frozen=round(auc(flights, frozen.predict_table(flights), contract), 4),
            auc_live=round(auc(flights, answers.scores, contract), 4),
            drift=story.drift(start),
            champion=mode(version for version in answers.versions if version),
            decision=story.decision(start),
        )


def _months(paths: Sequence[Path]) -> Iterator[tuple[pa.Table, pa.Table, str]]:
    """Go through the months' flights, each with those of the month after it."""
    tables = [parquet.read_table(path) for path in paths]
    for flights, following, path in zip(tables, [*tables[1:], tables[0].slice(0, 0)], paths, strict=True):
        yield flights, following, path.stem.removeprefix("flights-")
