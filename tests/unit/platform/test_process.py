"""A supervised process comes back when it dies, and goes when it is told to."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from everloop.platform import process as module
from everloop.platform.process import ProcessSpec, SupervisedProcess
from everloop.platform.state import Condition
from tests.fixtures.waiting import eventually

SLEEPER = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "STARTING_POLL_S", 0.01)
    monkeypatch.setattr(module, "READY_POLL_S", 0.01)


async def _always() -> bool:
    return True


@asynccontextmanager
async def _living(
    code: str, log: Path, *, ready: Callable[[], Awaitable[bool]] = _always, stop_within_s: float = 10
) -> AsyncIterator[SupervisedProcess]:
    spec = ProcessSpec(
        "x", (sys.executable, "-c", code), dict(os.environ), "http://x", ready, stop_within_s=stop_within_s
    )
    process = SupervisedProcess(spec, log, lambda _process: None)
    async with asyncio.TaskGroup() as group:
        group.create_task(process.run())
        try:
            yield process
        finally:
            process.kill()


async def test_a_killed_process_comes_back(tmp_path: Path) -> None:
    async with _living(SLEEPER, tmp_path / "log") as process:
        await process.ready.wait()
        first = process.pid
        assert first

        os.kill(first, signal.SIGKILL)

        await eventually(lambda: process.pid not in {None, first})
        assert process.restarts == 1
        await eventually(lambda: process.condition is Condition.READY)


async def test_one_that_always_fails_is_tried_again_with_growing_pauses(tmp_path: Path) -> None:
    async with _living("print('last words'); raise SystemExit(3)", tmp_path / "log") as process:
        await eventually(lambda: process.restarts >= 3)

        assert process.exit_code == 3
        assert "last words" in (tmp_path / "log").read_text()


async def test_a_process_that_stops_answering_is_told_apart(tmp_path: Path) -> None:
    answers = True

    async def ready() -> bool:
        return answers

    async with _living(SLEEPER, tmp_path / "log", ready=ready) as process:
        await eventually(lambda: process.condition is Condition.READY)

        answers = False

        await eventually(lambda: process.condition is Condition.UNREADY)
        assert process.restarts == 0


async def test_stopping_asks_first_and_kills_the_deaf(tmp_path: Path) -> None:
    async with _living(STUBBORN, tmp_path / "log", stop_within_s=0.2) as process:
        await process.ready.wait()
        await eventually(lambda: "deaf" in (tmp_path / "log").read_text())

        await process.stop()

        await eventually(lambda: process.condition is Condition.STOPPED)
        assert process.exit_code == -signal.SIGKILL


async def test_what_is_told_to_stop_before_it_began_never_begins(tmp_path: Path) -> None:
    spec = ProcessSpec("x", (sys.executable, "-c", SLEEPER), dict(os.environ), "http://x", _always)
    process = SupervisedProcess(spec, tmp_path / "log", lambda _process: None)

    process.start_no_more()
    await process.run()

    assert process.pid is None


async def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the kernel of this system does not end children with their parent")
    code = (
        "import subprocess, sys, time\n"
        "from everloop.platform.process import die_with_parent\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}], preexec_fn=die_with_parent())\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout
    child = int(await parent.stdout.readline())

    parent.kill()
    await parent.wait()

    await eventually(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
