"""How fast monitoring takes in predictions and labels: ``python -m tests.benchmarks.monitoring [messages] [rows]``.

Everything a message costs but the broker: decoding, the inbox, the handler, the commit; on SQLite on this disk.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np

from contracts.catalog import decode
from contracts.envelope import Envelope, seal
from contracts.message import Message, utc_now
from contracts.monitoring import GroundTruth, RecordGroundTruth
from contracts.profile import CategoryCells, FeatureReference, NumericCells, Reference
from contracts.serving import PredictionBatch, PredictionsServed
from services.chassis import inbox
from services.chassis.database import Database
from services.chassis.work import Work
from services.monitoring.judging import judge_windows
from tests.fakes.monitoring import examples
from tests.fakes.monitoring.references import InMemoryReferences
from tests.fakes.monitoring.stores import PORTS, sql_work
from tests.fakes.monitoring.world import World, cause

FEATURES, BLOCKS, ROWS_PER_REQUEST = 18, 60, 50
WINDOW = timedelta(days=7)
STEP = timedelta(seconds=100)
NUMBERS = NumericCells(edges=tuple(float(edge) for edge in np.linspace(-2, 2, 31)))
CATEGORIES = CategoryCells(values=tuple(f"v{place}" for place in range(50)))
SCORES = NumericCells(edges=tuple(float(edge) for edge in np.linspace(0.03, 0.97, 31)))


def reference(rng: np.random.Generator) -> Reference:
    """Twelve numbers and six categories, in blocks of 6,000 rows."""

    def counted(name: str, cells: NumericCells | CategoryCells) -> FeatureReference:
        size = len(cells.edges) + 2 if isinstance(cells, NumericCells) else len(cells.values) + 3
        counts = rng.multinomial(6000, np.full(size, 1 / size), BLOCKS).tolist()
        return FeatureReference(name=name, cells=cells, block_counts=tuple(map(tuple, counts)))

    starts = tuple(examples.START - WINDOW * (BLOCKS - block) for block in range(BLOCKS))
    return Reference(
        block_starts=starts,
        block_seconds=WINDOW.total_seconds(),
        inputs=tuple(counted(f"f{place}", NUMBERS if place % 3 else CATEGORIES) for place in range(FEATURES)),
        score_block_starts=starts,
        score=counted("score", SCORES),
        quality={"auc": 0.8},
    )


def predictions(rng: np.random.Generator, rows: int, after: int) -> PredictionsServed:
    """One message, as a replica under load says it."""
    inputs: dict[str, tuple[float | str, ...]] = {}
    for place in range(FEATURES):
        if place % 3:
            inputs[f"f{place}"] = tuple(rng.normal(size=rows).round(3).tolist())
        else:
            inputs[f"f{place}"] = tuple(f"v{value}" for value in rng.integers(0, 50, rows))
    requests = [uuid4().hex for _ in range(rows // ROWS_PER_REQUEST + 1)]
    times = tuple(examples.START + STEP * (after + row) for row in range(rows))
    batch = PredictionBatch(
        version=1,
        prediction_ids=tuple(f"{requests[row // ROWS_PER_REQUEST]}-{row % ROWS_PER_REQUEST}" for row in range(rows)),
        event_times=times,
        served_at=times[-1],
        inputs=inputs,
        scores=tuple(rng.random(rows).tolist()),
    )
    return PredictionsServed(pipeline=examples.PIPELINE, replica="replica-1", batches=(batch,))


def labels(rng: np.random.Generator, served: PredictionsServed) -> RecordGroundTruth:
    """What became of a message's predictions, three hours later."""
    truths = tuple(
        GroundTruth(prediction_id=id_, label=float(rng.random() < score), observed_at=at + timedelta(hours=3))
        for batch in served.batches
        for id_, at, score in zip(batch.prediction_ids, batch.event_times, batch.scores, strict=True)
    )
    return RecordGroundTruth(pipeline=examples.PIPELINE, labels=truths)


async def take_in(work: Work, messages: Sequence[Message], rows: int, what: str) -> None:
    """Handle messages and print what it took."""
    bodies = [
        seal(message, message_id=str(uuid4()), source="benchmark", time=utc_now()).to_bytes() for message in messages
    ]
    wall, processor = time.perf_counter(), time.process_time()
    for body in bodies:
        envelope = Envelope.model_validate(json.loads(body))
        message = decode(envelope)
        async with work.transaction() as transaction:
            await inbox.remember(transaction.session, "benchmark", envelope.id, utc_now())
            world = World({port: transaction.port(port) for port in PORTS})
            for fact in await world.hear(message, cause(envelope.id, envelope.time)):
                transaction.say(fact)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    told = f"{len(bodies) * rows / wall:8.0f} rows/s, {1e3 * wall / len(bodies):6.1f} ms per message"
    sys.stdout.write(f"{what:12s} {told}, {1e3 * processor / len(bodies):6.1f} ms of processor time\n")


async def main(messages: int = 60, rows: int = 1000) -> None:
    """Measure."""
    rng = np.random.default_rng(1)
    references = InMemoryReferences()
    references.references[examples.digest()] = reference(rng)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/monitoring.sqlite", schema="monitoring")
        work = await sql_work(database, references)
        await take_in(work, [examples.pipeline_registered(), examples.rollout_completed()], 1, "start")
        served = [predictions(rng, rows, number * rows) for number in range(messages)]
        await take_in(work, served, rows, "predictions")
        await take_in(work, [labels(rng, message) for message in served], rows, "labels")
        begun = time.perf_counter()
        await judge_windows(work)
        windows = int(STEP * rows * messages / WINDOW)
        sys.stdout.write(f"judging      {windows} windows in {time.perf_counter() - begun:.2f} s\n")
        await database.close()
        sys.stdout.write(f"on disk      {_size(folder) / (messages * rows):.0f} bytes per prediction with its label\n")


def _size(folder: str) -> int:
    return sum(file.stat().st_size for file in Path(folder).iterdir())


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:3])))
