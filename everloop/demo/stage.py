"""The platform that the demo runs on: started, watched until it is ready, and stopped whatever happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from everloop.platform.home import Home
from everloop.platform.launch import launch, stop
from everloop.platform.state import PlatformState


@contextmanager
def platform(home: Home, show: Callable[[str], None]) -> Iterator[PlatformState]:
    """Run ``everloop up`` on a directory for as long as the block lasts.

    Raises:
        LaunchError: It ended or was not ready in time; the error says why.
    """
    told: set[str] = set()

    def watch(state: PlatformState) -> None:
        for part in state.processes:
            if part.ready_after_s is not None and part.name not in told:
                told.add(part.name)
                show(f"{part.name} ready after {part.ready_after_s:.1f} s")

    try:
        yield launch(home, watch=watch, outlive=False)
    finally:
        stop(home)
