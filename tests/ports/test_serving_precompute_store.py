"""What serving remembers of precomputing: the same on the fakes, on SQLite and on PostgreSQL."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from uuid import UUID

import pytest

from contracts.precompute import PrecomputationFailure
from services.serving.precompute.domain import State
from services.serving.precompute.ports import Plans, Precomputations
from services.serving.precompute.store import SqlPlans, SqlPrecomputations
from services.serving.store import ServingRow
from tests.fakes.serving.examples import NOW
from tests.fakes.serving.plans import InMemoryPlans
from tests.fakes.serving.precomputations import InMemoryPrecomputations
from tests.fakes.serving.prediction_files import report_of
from tests.fixtures.adapters import Adapters
from tests.unit.serving.precompute.examples import dataset, one, plan

Ports = tuple[Plans, Precomputations]
Open = Callable[[], AbstractAsyncContextManager[Ports]]


@pytest.fixture
async def transaction(adapters: Adapters) -> Open:
    """Opens a transaction with the ports bound to it."""
    memory = (InMemoryPlans(), InMemoryPrecomputations())
    return await adapters(ServingRow, memory, lambda session: (SqlPlans(session), SqlPrecomputations(session)))


async def test_plans_come_back_as_they_were_kept(transaction: Open) -> None:
    async with transaction() as (plans, _):
        assert await plans.get("flights") is None
        empty = await plans.hold("flights")
        await plans.save(empty.model_copy(update={"dataset": dataset(3)}))
        await plans.save(plan(pipeline="boats"))

    async with transaction() as (plans, _):
        assert await plans.hold("flights") == empty.model_copy(update={"dataset": dataset(3)})
        assert await plans.get("boats") == plan(pipeline="boats")
        assert [known.pipeline for known in await plans.all()] == ["boats", "flights"]


async def test_a_precomputation_comes_back_as_it_was_kept(transaction: Open) -> None:
    over = one().begin().failed(PrecomputationFailure.CRASHED, "killed", NOW)[0]
    async with transaction() as (_, precomputations):
        await precomputations.save(one())
    async with transaction() as (_, precomputations):
        await precomputations.save(over)

    async with transaction() as (_, precomputations):
        assert await precomputations.get(over.id) == over
        assert await precomputations.hold(over.id) == over
        assert await precomputations.get(UUID(int=9)) is None
        assert await precomputations.hold(UUID(int=9)) is None


async def test_those_in_a_state_come_oldest_first(transaction: Open) -> None:
    async with transaction() as (_, precomputations):
        for number, state in enumerate(State, start=1):
            at = NOW - timedelta(seconds=number)
            await precomputations.save(one(id=UUID(int=number), state=state, requested_at=at))
        await precomputations.save(one(id=UUID(int=20), pipeline="boats"))

    async with transaction() as (_, precomputations):
        open_ones = [known.state for known in await precomputations.open("flights")]
        assert open_ones == [State.RUNNING, State.SUBMITTING, State.PENDING]
        over = [known.state for known in await precomputations.over("flights")]
        assert over == [State.DELETING, State.FAILED, State.COMPLETED], "what is deleted has left nothing"
        assert len(await precomputations.open()) == 4
        assert [known.pipeline for known in await precomputations.recent(limit=1)] == ["boats"]
        assert len(await precomputations.recent("flights")) == len(State)


async def test_what_is_looked_up_is_a_version_s_newest_that_was_completed(transaction: Open) -> None:
    running = one().begin().submitted()[0]
    first = running.completed(report_of(running.specify("/store")), NOW)[0]
    newer = first.model_copy(update={"id": UUID(int=2), "requested_at": NOW + timedelta(seconds=5)})
    async with transaction() as (_, precomputations):
        for known in (
            newer,
            first,
            one(id=UUID(int=3), requested_at=NOW + timedelta(seconds=9)),
            first.model_copy(update={"id": UUID(int=4), "version": 2}),
        ):
            await precomputations.save(known)

    async with transaction() as (_, precomputations):
        assert await precomputations.newest_completed("flights", 1) == newer
        assert await precomputations.newest_completed("flights", 3) is None
        assert await precomputations.newest_completed("boats", 1) is None
