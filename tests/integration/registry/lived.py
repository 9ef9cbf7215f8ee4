"""A registry that has lived: versions were promoted, refused and gone back to, and its database is made again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import httpx

from contracts.message import utc_now
from contracts.pipeline import AbsoluteGate, Policy
from contracts.registry import (
    ModelVersionAwaitingApproval,
    ModelVersionPromoted,
    ModelVersionRejected,
    RejectModelVersion,
    RollBackModel,
)
from contracts.training import FailureReason, TrainingRunFailed
from everloop.client.bus import connect_bus
from everloop.platform.rebuilding import registry_log
from services.registry.main import build
from services.registry.past.main import rebuild_from
from services.registry.past.rebuilding import Rebuilt
from services.registry.settings import RegistrySettings
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import pipeline_registered, run_id, training_run_started
from tests.fakes.registry.runs import leave_run
from tests.fixtures.mlflow import said
from tests.fixtures.services import World

ABOVE_SIX = (AbsoluteGate(metric="auc", at_least=0.6),)


@asynccontextmanager
async def running(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Run the registry; gives a client of its HTTP side."""
    async with (
        world.running(build(world.settings(RegistrySettings))) as live,
        httpx.AsyncClient(base_url=f"{live.url}/v1", timeout=20) as client,
    ):
        yield client


async def rebuilt(world: World, *, replace: bool = False, partly: bool = False) -> Rebuilt:
    """Rebuild the database from the broker's log."""

    async with connect_bus(world.broker.url) as bus:
        return await rebuild_from(registry_log(bus), world.settings(RegistrySettings), replace=replace, partly=partly)


async def live_a_life(world: World, client: httpx.AsyncClient, store: Path) -> datetime:
    """Promote two versions, refuse two, go back to the first; gives a time at which the second was champion."""
    await world.publish(pipeline_registered(gates=ABOVE_SIX, policy=Policy.ASK))
    for number in (1, 9):
        await world.publish(training_run_started(run_id=run_id(number)))
    crashed = {"reason": FailureReason.CRASHED, "detail": "out of memory", "attempts": 1}
    await world.publish(TrainingRunFailed(pipeline=PIPELINE, run_id=run_id(9), **crashed))
    await world.publish(leave_run(store, 1))
    await world.publish(leave_run(store, 2))
    await world.publish(leave_run(store, 3, metrics={"auc": 0.5}))
    await said(world, ModelVersionRejected)
    for number in (1, 2):
        wish = {"by": "ada", "reason": "looks right"}
        await client.post(f"/models/{PIPELINE}/versions/{number}/approve", json=wish)
    await said(world, ModelVersionPromoted, 2)
    then = utc_now()
    await world.publish(leave_run(store, 4))
    await said(world, ModelVersionAwaitingApproval, 3)
    await world.publish(RejectModelVersion(pipeline=PIPELINE, version=4, rejected_by="bob", reason="wrong holiday"))
    await world.publish(RollBackModel(pipeline=PIPELINE, requested_by="eve", reason="complaints"))
    await said(world, ModelVersionRejected, 2)
    await said(world, ModelVersionPromoted, 3)
    return then
