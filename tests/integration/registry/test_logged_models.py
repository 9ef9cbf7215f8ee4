"""MLflow's own client logs models and loads them by every name they have; the log tells how it went."""

import asyncio
import os
import sys
from pathlib import Path

from contracts.logged_models import (
    LoggedModelCreated,
    LoggedModelDeleted,
    LoggedModelDescribed,
    LoggedModelFinalized,
)
from services.registry.main import build
from services.registry.settings import RegistrySettings
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually

SESSION = str(Path(__file__).with_name("model_session.py"))


async def test_models_are_logged_and_loaded(sqlite_world: World, tmp_path: Path) -> None:
    async with sqlite_world.running(build(sqlite_world.settings(RegistrySettings))) as registry:
        session = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", SESSION, registry.url),
            cwd=tmp_path,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(session.communicate(), timeout=120)
        assert session.returncode == 0, said.decode()
        (deleted,) = await eventually(lambda: sqlite_world.said(LoggedModelDeleted))

    times, elsewhere = await sqlite_world.said(LoggedModelCreated)
    assert (times.name, times.model_type, elsewhere.name) == ("times", None, "elsewhere")
    described = [fact for fact in await sqlite_world.said(LoggedModelDescribed) if fact.model_id == times.model_id]
    params = times.params | {key: value for fact in described for key, value in fact.params.items()}
    assert len(params) == 151
    (finalized, _) = await sqlite_world.said(LoggedModelFinalized)
    assert (finalized.model_id, finalized.previous_status, finalized.status) == (times.model_id, "PENDING", "READY")
    assert deleted.model_id == elsewhere.model_id
