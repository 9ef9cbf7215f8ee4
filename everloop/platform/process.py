"""One supervised process: started, watched, restarted with growing pauses, stopped."""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from everloop.platform.state import Condition

Readiness = Callable[[], Awaitable[bool]]

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
SETTLED_AFTER_S = 60.0
STARTING_POLL_S = 0.1
READY_POLL_S = 3.0
MISSES_ALLOWED = 3
LARGEST_LOG_BYTES = 20 * 1024 * 1024
LAST_WORDS_BYTES = 4096
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class ProcessSpec:
    """What to run, and how to tell that it answers."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    url: str
    ready: Readiness
    after: tuple[str, ...] = ()
    before_start: Callable[[], None] | None = None
    stop_within_s: float = 10.0


class SupervisedProcess:
    """The life of one process, through all its restarts."""

    def __init__(self, spec: ProcessSpec, log: Path, changed: Callable[["SupervisedProcess"], None]) -> None:
        self.spec = spec
        self.log = log
        self.condition = Condition.WAITING
        self.restarts = 0
        self.ready_after_s: float | None = None
        self.exit_code: int | None = None
        self.ready = asyncio.Event()
        self._changed = changed
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def last_words(self) -> str:
        """Read the last line of the log: where a process fails, its reason."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - LAST_WORDS_BYTES))
            lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    async def run(self) -> None:
        """Keep the process alive until ``stop`` is called."""
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            began = time.monotonic()
            process = await self._start()
            if self._stopping.is_set():
                self.kill()
            watch = asyncio.create_task(self._watch(began))
            try:
                self.exit_code = await process.wait()
            finally:
                watch.cancel()
            if self._stopping.is_set():
                break
            pause_s = FIRST_PAUSE_S if time.monotonic() - began > SETTLED_AFTER_S else pause_s
            self.restarts += 1
            self._become(Condition.RESTARTING)
            await self._stop_asked(within_s=pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._become(Condition.STOPPED)

    def start_no_more(self) -> None:
        """Let the process run, but never again."""
        self._stopping.set()

    async def stop(self) -> None:
        """Ask the process to end; kill it when it takes too long."""
        self.start_no_more()
        if self.pid is None or self._process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.spec.stop_within_s):
                await self._process.wait()
        except TimeoutError:
            self.kill()

    def kill(self) -> None:
        """End the process at once, with everything in its group."""
        self.start_no_more()
        self._signal(signal.SIGKILL)

    async def _start(self) -> asyncio.subprocess.Process:
        if self.spec.before_start:
            self.spec.before_start()
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG_BYTES:
            os.replace(self.log, self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.spec.command,
                env=self.spec.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A session of its own: Ctrl-C on the terminal reaches the supervisor only, which stops in order.
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        self._become(Condition.STARTING)
        return self._process

    async def _watch(self, began: float) -> None:
        misses = 0
        while True:
            if await self.spec.ready():
                misses = 0
                if self.condition is not Condition.READY:
                    self.ready_after_s = self.ready_after_s or round(time.monotonic() - began, 2)
                    self.ready.set()
                    self._become(Condition.READY)
            elif self.condition is Condition.READY:
                misses += 1
                if misses >= MISSES_ALLOWED:
                    self._become(Condition.UNREADY)
            await asyncio.sleep(READY_POLL_S if self.condition is Condition.READY else STARTING_POLL_S)

    async def _stop_asked(self, *, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _become(self, condition: Condition) -> None:
        self.condition = condition
        self._changed(self)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is None:
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return


def die_with_parent() -> Callable[[], None] | None:
    """Make a function for the child that asks the kernel to kill it when this process dies, on Linux."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask
