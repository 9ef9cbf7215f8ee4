"""`everloop demo`: start a platform, let a model live through the year, tell what was measured."""

import asyncio
import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from contracts.registry import ModelVersionPromoted, ModelVersionRejected
from everloop.client import connect
from everloop.client.why import Why, why
from everloop.demo.months import Told
from everloop.demo.picture import draw
from everloop.demo.replay import Replay
from everloop.demo.report import Show, print_report
from everloop.demo.stage import platform
from everloop.demo.traffic import Traffic
from everloop.demo.year import Year, files, listening
from everloop.platform.home import Home
from everloop.platform.state import PlatformState
from everloop.platform.up import refuse_second
from everloop.traces.finding import Trace, read_trace
from everloop.traces.tree import spans_by_service

PIPELINE = "flight_delays"
ALL_MONTHS = 9
SMALLEST_SAMPLE = 0.02


class DemoOptionsError(ValueError):
    """The demo can't be run as asked; the text says why."""


def run(*, months: int | None = None, sample: float = 1.0, as_json: bool = False, home: Path | None = None) -> int:
    """Run the demo.

    Args:
        months: How many months to replay after March, at most 9; unset: all.
        sample: Share of the flights, from 0.02 to 1.
        as_json: Print one object instead of tables; progress goes to standard error either way.
        home: Directory of the demo's platform, emptied first; unset: ``.everloop/demo`` here.

    Returns:
        Exit status: 0 only if no request failed.

    Raises:
        DemoOptionsError: Months or sample are out of range, or the directory holds something else.
    """
    months = ALL_MONTHS if months is None else months
    if not 1 <= months <= ALL_MONTHS:
        raise DemoOptionsError(f"--months takes 1 to {ALL_MONTHS}")
    if not SMALLEST_SAMPLE <= sample <= 1:
        raise DemoOptionsError(f"--sample takes {SMALLEST_SAMPLE} to 1")
    place = Home((home or Path(".everloop/demo")).absolute())
    _clear(place)
    show = Show()
    show.title("starting NATS, Ray and five services")
    with ThreadPoolExecutor(1) as threads:
        making = threads.submit(files, place.root / "flights", months, sample)
        with platform(place, show.line) as state:
            told, reasons, trace = asyncio.run(_demo(place, state, making.result(), show))
    if as_json:
        print(json.dumps(told.to_json()))  # noqa: T201
    else:
        print_report(told, reasons, trace, place)
    return 0 if told.failed_requests == 0 else 1


async def _demo(home: Home, state: PlatformState, paths: Sequence[Path], show: Show) -> tuple[Told, Why, Trace]:
    from ray_jobs.pipelines.flight_delays.pipeline import pipeline

    contract = pipeline.definition.dataset
    async with connect(state.endpoints) as connected, listening(connected.bus, PIPELINE) as story:
        traffic = Traffic(f"{state.endpoints.serve}/v2/models/{PIPELINE}", contract, connected.http)
        year = Year(Replay(connected, PIPELINE, contract, story, traffic), show)
        show.title("January to March are handed in; the first model is trained")
        frozen = await year.begin(paths[0])
        await year.live(paths[1:], frozen)
        await year.harm()
        picture = home.root / "auc.svg"
        draw(year.told, picture)
        # The first turn began with data arriving; later ones begin with what a monitor said.
        trace = read_trace(home.spans, year.traced[0].trace_id)
        reasons = await why(connected, year.traced[-1].prediction_id)
        told = Told(
            months=tuple(year.told),
            predictions=traffic.predictions,
            failed_requests=traffic.failed_requests,
            runs=len(story.runs),
            retrainings_from_monitoring=story.retrainings_from_monitoring,
            promotions=sum(1 for _ in story.of(ModelVersionPromoted)),
            refusals=sum(1 for _ in story.of(ModelVersionRejected)),
            refused_on_purpose=year.refused_on_purpose,
            loop_latency_s=story.loop_latency_s(),
            trace_id=trace.trace_id,
            trace_spans_by_service=spans_by_service(trace.spans),
            why=reasons.model_dump(mode="json"),
            picture=str(picture),
            seconds=show.seconds,
        )
        return told, reasons, trace


def _clear(home: Home) -> None:
    """Empty the directory of an earlier demo.

    Raises:
        DemoOptionsError: It holds something that no platform wrote.
    """
    if not home.root.exists():
        return
    if any(home.root.iterdir()) and not home.lock_file.exists():
        raise DemoOptionsError(f"{home.root} is not empty and not a demo's; name another directory with --home")
    refuse_second(home)
    shutil.rmtree(home.root)
