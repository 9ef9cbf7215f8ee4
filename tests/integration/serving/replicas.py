"""A replica without Ray: its parts on a bus, in this process or as one of its own, to be killed."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from contracts.inference import Streaming
from services.chassis.bus import Bus, connect
from services.chassis.telemetry import Telemetry
from services.serving.board import BusBoard
from services.serving.desired import DesiredState, DesiredVersion
from services.serving.replica.answering import Answering
from services.serving.replica.following import Follower, ReplicaSettings, Speaker, load
from services.serving.replica.lineup import LoadedVersion
from services.serving.replica.messages.serving import Messages
from services.serving.replica.prediction_log import PredictionLog
from services.serving.replica.shelf import Shelf
from tests.fixtures.bundles import DEFINITION, Bundles

MODEL = DEFINITION.name


@dataclass(frozen=True)
class Part:
    """What tests see of a replica in their process."""

    answering: Answering
    messages: Messages
    follower: Follower


async def desire(bus: Bus, bundles: Bundles, version: int) -> None:
    """Ask all replicas to answer with a version."""
    uri, digest = bundles.write(version)
    wanted = DesiredVersion(version=version, rollout_id=uuid4(), bundle_uri=uri, bundle_digest=digest)
    await BusBoard(bus).post_desired(DesiredState(pipeline=MODEL, versions=(wanted,), answering=version))


@asynccontextmanager
async def replica(
    url: str,
    *,
    streaming: Streaming | None = None,
    requests_at_once: int = 8,
    spoil: Callable[[LoadedVersion], LoadedVersion] = lambda version: version,
    waits: bool = True,
) -> AsyncIterator[Part]:
    """Run a replica until the block ends, then let it finish what is in hand.

    Args:
        url: Of the broker.
        streaming: How versions take rows that arrive one by one.
        requests_at_once: Of those over the broker.
        spoil: Makes a version bad that was loaded and verified.
        waits: Until it takes messages, which it does once a version answers.
    """
    settings = ReplicaSettings(
        pipeline=MODEL,
        nats_url=url,
        code_dir=Path("/nowhere"),
        max_request_bytes=512 * 1024,
        max_rows=5000,
        log_capacity_rows=100_000,
        log_flush_s=0.05,
        trace_ratio=0,
    )

    def take(desired: DesiredVersion, difference: float) -> LoadedVersion:
        return spoil(replace(load(settings, desired, difference), streaming=streaming))

    name = uuid4().hex[:8]
    telemetry = Telemetry("serving")
    shelf = Shelf(take)
    stopping = asyncio.Event()
    async with connect(url, name="replica") as bus:
        speaker = Speaker(telemetry)
        speaker.bus = bus
        predictions = PredictionLog(speaker, pipeline=MODEL, replica=name, capacity_rows=100_000, flush_s=0.05)
        follower = Follower(MODEL, name, shelf, predictions)
        answering = Answering(MODEL, shelf, predictions, telemetry, trace_ratio=0)
        messages = Messages(
            bus,
            answering,
            telemetry,
            replica=name,
            requests_at_once=requests_at_once,
            queued_at_once=8,
            max_request_bytes=settings.max_request_bytes,
        )
        follower.count_messages = lambda: messages.counts
        board = BusBoard(bus)
        async with board.changes() as changes, asyncio.TaskGroup() as tasks:
            following = [
                tasks.create_task(follower.follow(board, changes)),
                tasks.create_task(follower.tell(board)),
                tasks.create_task(predictions.run()),
            ]
            working = tasks.create_task(messages.run(stopping))
            if waits:
                await messages.ready.wait()
            yield Part(answering, messages, follower)
            stopping.set()
            await working
            await predictions.drain(5)
            for task in following:
                task.cancel()
    telemetry.close()


@contextmanager
def replica_process(url: str, *, order_by_key: bool = False) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a replica as a process of its own, killed at the end if it still lives."""
    arguments = [sys.executable, "-m", __name__, url, "order" if order_by_key else ""]
    process = subprocess.Popen(arguments, cwd=Path(__file__).parents[3])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def main(url: str, order: str) -> None:
    """Be a replica until killed."""
    async with replica(url, streaming=Streaming(order_by_key=bool(order))):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
