"""Runs reconcilers: soon after something was written, at the latest after their interval, until asked to stop."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import replace

from services.chassis.backoff import Backoff
from services.chassis.errors import TransientError
from services.chassis.logs import Log
from services.chassis.work import Reconciler, Work

SHORTEST_PAUSE_S = 0.02
LONGEST_BACKOFF_S = 10.0

log = Log(__name__)


def reconciling(reconcilers: Sequence[Reconciler], work: Work) -> "list[Reconciling]":
    """Prepare to run reconcilers; from now on what `work` writes wakes those that want to be woken."""
    running = [Reconciling(reconciler) for reconciler in reconcilers]
    work.on_written.extend(each.wake for each in running if each.wants_waking)
    for each in running:
        each.see(work)
    return running


async def side_by_side(steps: Iterable[Awaitable[None]]) -> None:
    """Take steps of which one that cannot go on holds up no other.

    Raises:
        TransientError: All that could not, could not now.
        ExceptionGroup: What kept them from going on.
    """
    outcomes = await asyncio.gather(*steps, return_exceptions=True)
    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    if errors and all(isinstance(error, TransientError) for error in errors):
        raise errors[0]
    if errors:
        raise ExceptionGroup("some are held up", errors)


class Reconciling:
    """One reconciler at work."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        self._woken = asyncio.Event()
        self._wrote = False
        self._work: Work | None = None

    @property
    def wants_waking(self) -> bool:
        """Whether a write may bring it work."""
        return self._reconciler.woken

    def wake(self) -> None:
        """Say that another has written."""
        self._woken.set()

    def see(self, work: Work) -> None:
        """Give it a view of the work that tells its own writes from those of others."""
        others = [wake for wake in work.on_written if wake != self.wake]
        self._work = replace(work, on_written=[*others, self._note])

    async def run(self, stopping: asyncio.Event) -> None:
        """Step until asked to stop."""
        assert self._work is not None
        failures = Backoff(longest_s=LONGEST_BACKOFF_S)
        pause = Backoff(first_s=SHORTEST_PAUSE_S, longest_s=self._reconciler.every_s)
        while not stopping.is_set():
            self._woken.clear()
            self._wrote = False
            try:
                await self._reconciler.step(self._work)
            except TransientError as error:
                log.warning("reconciler pauses", step=self._name, error=str(error), next_try_s=failures.delay_s)
                await _any_within(failures.next_s(), stopping)
                continue
            except Exception:
                log.exception("reconciler failed", step=self._name, next_try_s=failures.delay_s)
                await _any_within(failures.next_s(), stopping)
                continue
            failures.reset()
            # A step that wrote may have more to do, so it goes on at once; one that never stops writing slows down.
            if not self._wrote:
                pause.reset()
            await _any_within(pause.next_s() if self._wrote else self._reconciler.every_s, stopping, self._woken)

    def _note(self) -> None:
        self._wrote = True

    @property
    def _name(self) -> str:
        return getattr(self._reconciler.step, "__qualname__", type(self._reconciler.step).__name__)


async def _any_within(timeout_s: float, *events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
