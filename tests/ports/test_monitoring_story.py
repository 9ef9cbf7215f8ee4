"""The same story, in an order of its own each time, ends the same in SQL as in memory."""

import random
from dataclasses import replace

import pytest
from sqlmodel import col, select

from contracts.envelope import Envelope
from services.chassis.database import Database
from services.chassis.outbox import OutboxRow
from services.chassis.work import Work
from services.monitoring.domain import Window
from services.monitoring.judging import judge_windows
from services.monitoring.ports import Versions, Windows
from tests.fakes.monitoring import examples
from tests.fakes.monitoring.references import InMemoryReferences
from tests.fakes.monitoring.stores import PORTS, sql_work
from tests.fakes.monitoring.story import MIN_ROWS, Said, story
from tests.fakes.monitoring.world import World, cause


async def hear(work: Work, said: Said) -> None:
    async with work.transaction() as transaction:
        world = World({port: transaction.port(port) for port in PORTS})
        for fact in await world.hear(said.message, cause(str(said.at), said.at)):
            transaction.say(fact)


async def windows_of(versions: Versions, windows: Windows) -> dict[tuple[int, int], dict[str, object]]:
    return {
        (version.number, window.start): comparable(window)
        for version in await versions.all(examples.PIPELINE)
        for window in await windows.of(version.key)
    }


def comparable(window: Window) -> dict[str, object]:
    """What does not depend on when it was judged, or on the order in which versions were seen."""
    fields = {name: getattr(window, name) for name in Window.__slots__}
    for private in ("version_key", "label_changes", "quality_changes", "told"):
        fields.pop(private)
    return {**fields, "counts": window.counts.tolist()}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_windows_in_sql_do_not_depend_on_the_order_of_arrival(database: Database, seed: int) -> None:
    said = story(seed)
    begin = replace(said[0], message=examples.pipeline_registered(min_rows=MIN_ROWS))
    shuffled = random.Random(seed).sample(said, len(said))
    references = InMemoryReferences()
    references.references[examples.digest()] = examples.reference()
    world = World()
    world.references.references.update(references.references)
    for one in (begin, *said):
        await world.hear(one.message, cause(str(one.at), one.at))
    await world.judge()

    work = await sql_work(database, references)
    for one in (begin, *shuffled):
        await hear(work, one)
        await judge_windows(work)
    async with work.transaction(write=False) as transaction:
        found = await windows_of(transaction.port(Versions), transaction.port(Windows))
        rows = (await transaction.session.exec(select(OutboxRow).order_by(col(OutboxRow.position)))).all()

    assert found == await windows_of(world.ports[Versions], world.ports[Windows])
    said_of_windows = (Envelope.model_validate_json(row.body) for row in rows)
    told = [envelope for envelope in said_of_windows if "window_start" in envelope.data]
    keys = [
        (each.type, *(each.data.get(part) for part in ("version", "window_start", "drift", "breakage")))
        for each in told
    ]
    assert len(keys) == len(set(keys))
    assert told
