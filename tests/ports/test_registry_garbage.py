"""Which files go with a version, in SQLite and in PostgreSQL."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlmodel import SQLModel

from services.registry.domain import VersionState
from services.registry.garbage.domain import Place
from services.registry.garbage.store import SqlHeap
from services.registry.rows import ModelRow, Row, VersionRow
from services.registry.tracking.rows import ExperimentRow, RunRow
from tests.contracts.examples import NOON
from tests.fixtures.databases import Transactions

LATER = NOON + timedelta(days=1)
SHARED = Place("logged/abc")


@pytest.fixture
async def opened(sessions: Callable[[type[SQLModel]], Awaitable[Transactions]]) -> Transactions:
    """Opens sessions on two versions, deleted, of which a client logged the same bytes."""
    opened = await sessions(Row)
    async with opened() as session:
        session.add(ModelRow(pipeline="trees", name="Trees", definition={}, registered_at=NOON, updated_at=NOON))
        await session.flush()
        for number in (1, 2):
            session.add(
                VersionRow(
                    pipeline="trees",
                    number=number,
                    bundle_uri="/store/logged/abc",
                    source="models:/m-1",
                    location="mlflow-artifacts:/0/models/m-1/artifacts",
                    registered_at=NOON,
                    updated_at=NOON,
                    deleted_at=NOON,
                    state=VersionState.PROMOTED,
                )
            )
    return opened


async def test_files_of_two_versions_go_with_the_second(opened: Transactions) -> None:
    async with opened() as session:
        heap = SqlHeap(session)
        before = await heap.versions(LATER, None, after="", limit=10)
        places = [await heap.close_version("trees", number, LATER) for number in (1, 2)]

        assert [(one.id, one.place) for one in before] == [("trees/1", None), ("trees/2", None)]
        assert places == [None, SHARED]
        assert await heap.versions(LATER, None, after="", limit=10) == []


async def test_pages_go_on_behind_the_last(opened: Transactions) -> None:
    async with opened() as session:
        heap = SqlHeap(session)

        (first,) = await heap.versions(LATER, None, after="", limit=1)
        (second,) = await heap.versions(LATER, None, after=first.id, limit=1)

        assert (first.id, second.id) == ("trees/1", "trees/2")
        assert await heap.versions(LATER, None, after=second.id, limit=1) == []
        assert await heap.versions(NOON, None, after="", limit=1) == []


async def test_a_bundle_is_somebodys_until_all_who_have_it_are_collected(opened: Transactions) -> None:
    async with opened() as session:
        heap = SqlHeap(session)
        found = []
        for number in (1, 2):
            await heap.close_version("trees", number, LATER)
            found.append(await heap.has_bundle(SHARED))

        assert found == [True, False]
        assert not await heap.has_bundle(Place("logged/b"))


async def test_an_experiment_waits_for_a_run_that_was_deleted_later(opened: Transactions) -> None:
    async with opened() as session:
        deleted_ms = int(NOON.timestamp() * 1000)
        times = {"stage": "deleted", "created_ms": 0, "updated_ms": deleted_ms}
        session.add(ExperimentRow(id=7, name="old", pipeline="old", artifact_location="mlflow-artifacts:/7", **times))
        await session.flush()
        run = RunRow(
            id="a" * 32,
            experiment_id=7,
            name="late",
            user_id="ada",
            status="FINISHED",
            started_ms=0,
            artifact_uri="",
            stage="deleted",
            deleted_ms=deleted_ms + 2000,
        )
        session.add(run)
        await session.flush()
        heap = SqlHeap(session)

        (waits,) = await heap.experiments(NOON + timedelta(seconds=1), after="", limit=10)
        (goes,) = await heap.experiments(NOON + timedelta(seconds=3), after="", limit=10)

        assert waits.needed_by == f"its run {run.id}, which was restored or deleted later"
        assert goes.needed_by is None
