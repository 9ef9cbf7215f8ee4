"""Serving's memory: the same on the fakes, on SQLite and on PostgreSQL."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect, null, update
from sqlmodel import SQLModel

from contracts.rollout import Canary, Guard, Shadow
from contracts.rollout import Rollout as Plan
from services.chassis.database import Database
from services.chassis.schema import migrate
from services.serving import store
from services.serving.domain import RolloutState
from services.serving.ports import Deployments, Rollouts
from tests.fakes.serving.deployments import InMemoryDeployments
from tests.fakes.serving.examples import NOW, deployment, evidence, rollout
from tests.fakes.serving.rollouts import InMemoryRollouts
from tests.fixtures.adapters import Adapters
from tests.fixtures.databases import Transactions

Ports = tuple[Deployments, Rollouts]
Open = Callable[[], AbstractAsyncContextManager[Ports]]


@pytest.fixture
async def transaction(adapters: Adapters) -> Open:
    """Opens a transaction with the ports bound to it."""
    memory = (InMemoryDeployments(), InMemoryRollouts())
    return await adapters(
        store.ServingRow, memory, lambda session: (store.SqlDeployments(session), store.SqlRollouts(session))
    )


async def test_deployment_comes_back_as_it_was_kept(transaction: Open) -> None:
    known = deployment(
        answering=rollout(1).id, previous=rollout(2).id, plan=Plan(steps=(Shadow(),)), diverged_since=NOW
    )
    async with transaction() as (deployments, _):
        await deployments.save(deployment())
        await deployments.save(deployment(pipeline="boats"))
    async with transaction() as (deployments, _):
        await deployments.save(known)

    async with transaction() as (deployments, _):
        assert await deployments.get("flights") == known
        assert await deployments.hold("boats") == deployment(pipeline="boats")
        assert [one.pipeline for one in await deployments.all()] == ["boats", "flights"]
        assert await deployments.get("trains") is None
        assert await deployments.hold("trains") is None

    async with transaction() as (deployments, _):
        await deployments.remove("boats")
        await deployments.remove("trains")
    async with transaction() as (deployments, _):
        assert [one.pipeline for one in await deployments.all()] == ["flights"]


async def test_rollout_comes_back_as_it_was_kept(transaction: Open) -> None:
    done = rollout(
        1,
        state=RolloutState.ROLLED_BACK,
        previous_version=3,
        started_at=rollout(2).requested_at,
        finished_at=rollout(3).requested_at,
        replicas=2,
        detail="digest mismatch",
        plan=Plan(steps=(Shadow(), Canary(share=0.05)), guard=Guard(slow_s=0.2)),
        paused=True,
        hastened=True,
        evidence=evidence(),
        flipping_since=rollout(2).requested_at,
    )
    async with transaction() as (_, rollouts):
        await rollouts.save(rollout(1))
    async with transaction() as (_, rollouts):
        await rollouts.save(done)

    async with transaction() as (_, rollouts):
        assert await rollouts.get(done.id) == done
        assert await rollouts.get(rollout(9).id) is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_rows_from_before_there_were_plans_are_read_as_all_at_once(
    sessions: Callable[[type[SQLModel]], Awaitable[Transactions]],
) -> None:
    opened = await sessions(store.ServingRow)
    async with opened() as session:
        await store.SqlDeployments(session).save(deployment(plan=Plan(steps=(Shadow(),))))
        await store.SqlRollouts(session).save(rollout(1, plan=Plan(steps=(Shadow(),)), evidence=evidence()))
    async with opened() as session:
        await session.exec(update(store.DeploymentRow).values(plan=null()))
        await session.exec(update(store.RolloutRow).values(plan=null(), evidence=null()))

    async with opened() as session:
        assert await store.SqlDeployments(session).get("flights") == deployment()
        assert await store.SqlRollouts(session).get(rollout(1).id) == rollout(1)


async def test_open_rollouts_are_the_ones_that_are_not_over(transaction: Open) -> None:
    async with transaction() as (_, rollouts):
        for number, state in enumerate(RolloutState, start=1):
            await rollouts.save(rollout(number, state=state))
        await rollouts.save(rollout(20, pipeline="boats"))

    async with transaction() as (_, rollouts):
        assert [one.state for one in await rollouts.open("flights")] == [
            RolloutState.PENDING,
            RolloutState.LOADING,
            RolloutState.STEPPING,
            RolloutState.FLIPPING,
            RolloutState.BAKING,
        ]


async def test_recent_rollouts_come_newest_first(transaction: Open) -> None:
    async with transaction() as (_, rollouts):
        for number in (2, 1, 3):
            await rollouts.save(rollout(number))
        await rollouts.save(replace(rollout(4), pipeline="boats"))

    async with transaction() as (_, rollouts):
        assert [one.version for one in await rollouts.recent()] == [4, 3, 2, 1]
        assert [one.version for one in await rollouts.recent("flights", limit=2)] == [3, 2]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_migration_makes_the_tables_the_code_expects(database: Database) -> None:
    await migrate(database, Path(store.__file__).parent / "migrations")

    async with database.engine.connect() as connection:
        found = await connection.run_sync(
            lambda sync: {
                table: {column["name"] for column in inspect(sync).get_columns(table)}
                for table in store.ServingRow.metadata.tables
            }
        )
    assert found == {
        name: {column.name for column in table.columns} for name, table in store.ServingRow.metadata.tables.items()
    }
