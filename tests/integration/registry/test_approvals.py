"""Two people approve from the command line, and what nobody approves is refused in time."""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from contracts.pipeline import AbsoluteGate, Policy
from contracts.registry import (
    ModelVersionApprovalGiven,
    ModelVersionAwaitingApproval,
    ModelVersionPromoted,
    ModelVersionRejected,
)
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import pipeline_registered
from tests.fakes.registry.runs import leave_run
from tests.fixtures.services import World
from tests.integration.registry.test_runs_become_versions import running, said

GATES = (AbsoluteGate(metric="auc", at_least=0.6),)
SERVICES = ("ingestion", "training", "registry", "serving", "monitoring")


async def everloop(world: World, registry: str, *words: str) -> tuple[int, str]:
    """Type a command; gives its exit status and all it printed."""
    urls = {f"EVERLOOP_{service.upper()}_URL": registry for service in SERVICES}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "everloop.cli.main", *words, "--home", str(world.home)),
        env={**os.environ, **urls, "EVERLOOP_NATS_URL": world.broker.url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


async def waiting(world: World, store: Path, **promotion: Any) -> None:
    """Let version 1 wait for approval."""
    await world.publish(pipeline_registered(gates=GATES, policy=Policy.ASK, **promotion))
    await world.publish(leave_run(store))
    await said(world, ModelVersionAwaitingApproval)


async def test_the_command_line_says_who_is_missing(sqlite_world: World, tmp_path: Path) -> None:
    async with running(sqlite_world) as client:
        await waiting(sqlite_world, tmp_path, approvals=2)
        registry = str(client.base_url).removesuffix("/v1/")
        words = ("approve", PIPELINE, "1", "--reason", "looks right", "--by")

        first = await everloop(sqlite_world, registry, *words, "ada")
        again = await everloop(sqlite_world, registry, *words, "Ada")
        version = (await client.get(f"/models/{PIPELINE}/versions/1")).json()
        last = await everloop(sqlite_world, registry, *words, "bob")

        assert first == (0, f"Version 1 of {PIPELINE} has your approval; 1 other person must approve it too.\n")
        assert again[0] != 0
        assert "already approved by" in again[1]
        assert [given["by"] for given in version["approvals"]] == ["ada"]
        assert version["approvals_missing"] == 1
        assert last == (0, f"Version 1 of {PIPELINE} is champion.\n")
        approvals = await said(sqlite_world, ModelVersionApprovalGiven, 2)
        assert [(given.approved_by, given.missing) for given in approvals] == [("ada", 1), ("bob", 0)]
        (promoted,) = await said(sqlite_world, ModelVersionPromoted)
        assert promoted.promoted_by == "bob"


async def test_nobody_approves_in_time(sqlite_world: World, tmp_path: Path) -> None:
    async with running(sqlite_world) as client:
        await waiting(sqlite_world, tmp_path, approval_expires_after=timedelta(milliseconds=300))

        (rejected,) = await said(sqlite_world, ModelVersionRejected)

        assert (rejected.version, rejected.rejected_by) == (1, "policy:expiry")
        assert rejected.reason.startswith("the approval expired: 0 of 1 given by ")
        assert (await client.get(f"/models/{PIPELINE}/aliases")).json()["challenger"] is None
