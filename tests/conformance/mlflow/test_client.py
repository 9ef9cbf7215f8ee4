"""MLflow's own client, unchanged, does everything that data scientists do with it.

For MLflow 2, whose pins can't stand beside ours, by hand: ``python -m tests.conformance.mlflow.by_hand PYTHON``.
"""

import asyncio
import sys
from pathlib import Path

from services.registry.main import build
from services.registry.settings import RegistrySettings
from tests.conformance.mlflow.session import started
from tests.fixtures.services import World


async def test_the_client_notices_nothing(sqlite_world: World, tmp_path: Path) -> None:
    async with sqlite_world.running(build(sqlite_world.settings(RegistrySettings))) as registry:
        session = await asyncio.create_subprocess_exec(
            *(sys.executable, *started.WORDS, registry.url),
            cwd=tmp_path,
            env=started.environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await session.communicate()

    assert session.returncode == 0, said.decode()
