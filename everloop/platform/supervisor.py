"""Keep every process of the platform alive, in one asyncio loop, until asked to stop."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from contracts.message import utc_now
from everloop.platform.descendants import sweep
from everloop.platform.home import Home
from everloop.platform.process import ProcessSpec, SupervisedProcess
from everloop.platform.state import PlatformState, ProcessState, write_state

Listener = Callable[[SupervisedProcess], None]
STOP_LAST = ("nats", "traces")


@dataclass
class Supervisor:
    """The table of processes, and the file that tells about them."""

    home: Home
    state: PlatformState
    on_change: Listener
    _processes: dict[str, SupervisedProcess] = field(default_factory=dict)
    _announced: bool = False
    _signals: int = 0

    async def run(self, table: Iterable[ProcessSpec], *, when_ready: Callable[[PlatformState], object]) -> None:
        """Start everything, call ``when_ready`` once all answer, and stay until SIGTERM, SIGINT or SIGHUP.

        The first signal stops in order; a second one kills.
        """
        asked = asyncio.Event()
        with self._signals_to(asked), watchdog(self.state.token):
            try:
                self._processes = {
                    spec.name: SupervisedProcess(spec, self.home.log_of(spec.name), self._changed) for spec in table
                }
                async with asyncio.TaskGroup() as group:
                    for process in self._processes.values():
                        group.create_task(self._live(process))
                    announcing = group.create_task(self._announce(when_ready))
                    await asked.wait()
                    announcing.cancel()
                    await self._stop()
            finally:
                sweep(self.state.token)
                self._save()

    async def _live(self, process: SupervisedProcess) -> None:
        for earlier in process.spec.after:
            await self._processes[earlier].ready.wait()
        await process.run()

    async def _announce(self, when_ready: Callable[[PlatformState], object]) -> None:
        for process in self._processes.values():
            await process.ready.wait()
        self.state = self.state.model_copy(update={"ready_at": utc_now()})
        told, loop = asyncio.Event(), asyncio.get_running_loop()

        def tell() -> None:
            try:
                when_ready(self.state)
            finally:
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(told.set)

        # Not a thread of the loop's pool: the loop waits for those when it ends, and a person who stops does not.
        threading.Thread(target=tell, daemon=True).start()
        await told.wait()
        self._announced = True
        self._save()

    async def _stop(self) -> None:
        """Stop what uses the broker before the broker, so that last words are heard."""
        for process in self._processes.values():
            process.start_no_more()
            process.ready.set()
        first = [process.stop() for name, process in self._processes.items() if name not in STOP_LAST]
        await asyncio.gather(*first)
        await asyncio.gather(*(self._processes[name].stop() for name in STOP_LAST if name in self._processes))

    def _changed(self, process: SupervisedProcess) -> None:
        self._save()
        self.on_change(process)

    def _save(self) -> None:
        lines = tuple(
            ProcessState(
                name=process.spec.name,
                condition=process.condition,
                pid=process.pid,
                url=process.spec.url,
                restarts=process.restarts,
                ready_after_s=process.ready_after_s,
                log=str(process.log),
            )
            for process in self._processes.values()
        )
        self.state = self.state.model_copy(update={"processes": lines})
        # The file tells of readiness only once everything that belongs to it is done.
        write_state(self.home, self.state if self._announced else self.state.model_copy(update={"ready_at": None}))

    @contextmanager
    def _signals_to(self, asked: asyncio.Event) -> Iterator[None]:
        def hear() -> None:
            self._signals += 1
            asked.set()
            if self._signals > 1:
                for process in self._processes.values():
                    process.kill()

        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in numbers:
            loop.add_signal_handler(number, hear)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


@contextmanager
def watchdog(token: str) -> Iterator[None]:
    """Run the process that ends ours should this one be killed; it goes when this context is left."""
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-P", "-m", "everloop.platform.watchdog", token],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        if process.stdin:
            process.stdin.close()
        process.wait()
