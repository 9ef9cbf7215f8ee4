"""Kill -9 in the middle of windows, again and again: the state is that of an undisturbed life."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contracts.message import Message
from contracts.monitoring import DataBroken, DriftDetected, GroundTruthRecorded, QualityDegraded
from services.chassis.database import Database
from services.monitoring.domain import Window
from services.monitoring.ports import Versions, Windows
from services.monitoring.store import SqlMonitors, SqlVersions, SqlWindows
from tests.fakes.monitoring import examples
from tests.fakes.monitoring.world import World as Undisturbed
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.monitoring.bundles import write_bundle

HOURS, ROWS, PARTS = 12, 300, 10
KILLS = 5
IMPATIENT = """
from dataclasses import replace

from services.chassis.handling import Retries
from services.monitoring.main import build
from services.monitoring.settings import MonitoringSettings

replace(build(MonitoringSettings.load()), retries=Retries(ack_wait_s=1)).run()
"""
"""Each kill costs as long as the broker waits for the message that was in hand: a second, instead of five."""


def load() -> list[Message]:
    """Twelve hours of predictions and labels, in small messages, slightly out of order."""
    messages: list[Message] = []
    for hour in range(HOURS):
        whole = examples.hour(hour, rows=ROWS, shift=2.0 if hour % 3 == 1 else 0.0)
        truth = examples.truth(whole, inverted=hour % 4 == 2).labels
        step = ROWS // PARTS
        for start in range(0, ROWS, step):
            part = slice(start, start + step)
            messages.append(
                examples.served(
                    whole.model_copy(
                        update={
                            "prediction_ids": whole.prediction_ids[part],
                            "event_times": whole.event_times[part],
                            "inputs": {name: values[part] for name, values in whole.inputs.items()},
                            "scores": whole.scores[part],
                        }
                    )
                )
            )
            messages.append(examples.truth(whole, inverted=hour % 4 == 2).model_copy(update={"labels": truth[part]}))
    chance = random.Random(1)
    for place in range(0, len(messages) - 6, 6):
        messages[place : place + 6] = chance.sample(messages[place : place + 6], 6)
    return messages


@contextmanager
def process(world: World) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "EVERLOOP_HOME": str(world.home), "EVERLOOP_NATS_URL": world.broker.url}
    with (world.home / "log").open("ab") as log:
        running = subprocess.Popen([sys.executable, "-c", IMPATIENT], env=environment, stdout=log, stderr=log)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


async def windows(database: Database) -> dict[int, Window]:
    async with database.session(write=False) as session:
        versions = await SqlVersions(session).all(examples.PIPELINE)
        return {window.start: window for v in versions for window in await SqlWindows(session).of(v.key)}


async def joined(database: Database) -> int:
    async with database.session(write=False) as session:
        monitor = await SqlMonitors(session).get(examples.PIPELINE)
        return monitor.joined if monitor else 0


def verdicts(found: dict[int, Window]) -> dict[int, object]:
    # What looks broken beside the hours before is told of at once, and may look otherwise when late rows are in.
    return {
        start: (
            window.predictions,
            window.labelled,
            window.counts.tolist(),
            window.drift,
            window.quality,
            {one for one in window.told if not one.startswith("broken")},
        )
        for start, window in found.items()
    }


def told(facts: list[Message]) -> list[tuple[object, object]]:
    return sorted((str(fact.window_start), getattr(fact, "drift", "quality")) for fact in facts)  # type: ignore[attr-defined]


@pytest.mark.slow
async def test_killed_at_random_under_load_nothing_is_lost_or_doubled(sqlite_world: World, tmp_path: Path) -> None:
    world, messages = sqlite_world, load()
    world.home.mkdir(parents=True, exist_ok=True)
    uri, digest = write_bundle(tmp_path / "bundle", examples.reference())
    # An effect that only the shifted hours have: what is told of the others must not hang on when they are judged.
    begin = [examples.pipeline_registered(min_effect=0.4), examples.rollout_completed(uri=uri, bundle_digest=digest)]
    undisturbed = Undisturbed()
    undisturbed.references.references[digest] = examples.reference()
    for message in (*begin, *messages):
        await undisturbed.hear(message)
        await undisturbed.judge()

    for message in (*begin, *messages):
        await world.publish(message)
    database = Database(f"sqlite:///{world.home / 'db' / 'monitoring.sqlite'}", schema="monitoring")
    chance = random.Random(2)
    total = HOURS * ROWS
    for kill in range(KILLS):
        goal = total * (kill + chance.random()) / (KILLS + 1)
        with process(world) as running:
            await eventually(lambda goal=goal: _reached(database, goal, running), within_s=120)
    with process(world) as running:
        await eventually(lambda: _reached(database, total, running), within_s=120)
        said = sum(not isinstance(fact, DataBroken) for fact in undisturbed.facts)
        await eventually(lambda: _told_at_least(world, said), within_s=60)
        # What is said together waits for a moment; killed before that, it would be said at the next start.
        await eventually(lambda: _recorded_at_least(world, HOURS * PARTS), within_s=60)
        found = await windows(database)
    await database.close()

    facts = [*await world.said(DriftDetected), *await world.said(QualityDegraded)]
    recorded = await world.said(GroundTruthRecorded)
    (version,) = await undisturbed.ports[Versions].all(examples.PIPELINE)
    expected = {window.start: window for window in await undisturbed.ports[Windows].of(version.key)}
    assert verdicts(found) == verdicts(expected)
    assert told(facts) == told([fact for fact in undisturbed.facts if not isinstance(fact, DataBroken)])
    broken = [(fact.window_start, fact.breakage) for fact in await world.said(DataBroken)]
    assert len(set(broken)) == len(broken)
    assert len(recorded) == HOURS * PARTS
    assert await world.dead_letters() == []


async def _reached(database: Database, goal: float, running: subprocess.Popen[bytes]) -> bool:
    assert running.poll() is None, "monitoring ended by itself"
    if not database.file or not database.file.exists():
        return False
    try:
        return await joined(database) >= goal
    except Exception as error:
        if "no such table" in str(error):
            return False
        raise


async def _recorded_at_least(world: World, facts: int) -> bool:
    return len(await world.said(GroundTruthRecorded)) >= facts


async def _told_at_least(world: World, facts: int) -> bool:
    return len(await world.said(DriftDetected)) + len(await world.said(QualityDegraded)) >= facts
