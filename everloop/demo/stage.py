"""The platform that the demo runs on: started, watched until it is ready, and stopped whatever happens."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from everloop.platform.home import Home
from everloop.platform.state import PlatformState, read_state

STARTING_TIMEOUT_S = 180
STOPPING_TIMEOUT_S = 60
GLANCE_S = 0.2


class PlatformFailedError(RuntimeError):
    """The platform did not come up, or died under the demo."""


@asynccontextmanager
async def platform(home: Home, show: Callable[[str], None]) -> AsyncIterator[PlatformState]:
    """Run ``everloop up`` on a directory for as long as the block lasts.

    Raises:
        PlatformFailedError: It ended or was not ready in time; its log says why.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    log = home.root / "up.log"
    with log.open("wb") as output:
        # Its own session: Ctrl-C reaches the demo alone, which then stops the platform in order.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "everloop.cli.main", "up", "--home", str(home.root)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield await _ready(home, process, log, show)
    finally:
        await _stop(process)


async def _ready(
    home: Home, process: asyncio.subprocess.Process, log: Path, show: Callable[[str], None]
) -> PlatformState:
    told: set[str] = set()
    try:
        async with asyncio.timeout(STARTING_TIMEOUT_S):
            while True:
                if process.returncode is not None:
                    raise PlatformFailedError(f"the platform ended with code {process.returncode}; see {log}")
                state = read_state(home)
                for part in state.processes if state and state.pid == process.pid else ():
                    if part.ready_after_s is not None and part.name not in told:
                        told.add(part.name)
                        show(f"{part.name} ready after {part.ready_after_s:.1f} s")
                if state and state.pid == process.pid and state.ready_at:
                    return state
                await asyncio.sleep(GLANCE_S)
    except TimeoutError:
        raise PlatformFailedError(f"the platform was not ready after {STARTING_TIMEOUT_S} s; see {log}") from None


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOPPING_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
