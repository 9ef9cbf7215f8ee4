"""Start a supervisor beside this process and stop it: for `up --detach` and `down`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from everloop.platform.descendants import sweep
from everloop.platform.home import Home, is_locked
from everloop.platform.process import die_with_parent
from everloop.platform.state import PlatformState, read_state
from everloop.platform.up import running

POLL_S = 0.1
STOP_LIMIT_S = 40.0
START_LIMIT_S = 180.0

Watcher = Callable[[PlatformState], object]


class LaunchError(RuntimeError):
    """The platform did not start, or did not stop."""


def launch(
    home: Home,
    arguments: Sequence[str] = (),
    *,
    within_s: float = START_LIMIT_S,
    watch: Watcher = lambda _state: None,
    outlive: bool = True,
) -> PlatformState:
    """Run ``everloop up`` as a process of its own and wait until everything answers.

    Args:
        home: Its directory.
        arguments: Further options of ``everloop up``.
        within_s: Longest wait; a platform that takes longer is stopped.
        watch: Called now and then with how far it is.
        outlive: Whether the platform goes on when this process is killed; if not, call from the main thread, as
            the kernel counts the thread that started a child as its parent.

    Raises:
        LaunchError: It ended, or did not get ready in time.
    """
    home.make()
    log = home.log_of("supervisor")
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-P", "-m", "everloop.cli.main", "up", "--home", str(home.root), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            preexec_fn=None if outlive else die_with_parent(),
        )
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        state = read_state(home)
        if state and state.pid == process.pid:
            watch(state)
            if state.ready_at:
                return state
        if process.poll() is not None:
            said = log.read_text(errors="replace").strip().splitlines()
            raise LaunchError(said[-1] if said else f"it ended with exit code {process.returncode}; see {home.logs}")
        time.sleep(POLL_S)
    stop(home)
    raise LaunchError(f"it was not ready within {within_s:g} s and was stopped; see {home.logs}")


def stop(home: Home, *, force: bool = False, within_s: float = STOP_LIMIT_S) -> bool:
    """Stop the platform that runs on a directory, with everything it started.

    Returns:
        False if none ran.

    Raises:
        LaunchError: It did not stop in time.
    """
    state = running(home)
    if state is None:
        return False
    os.kill(state.pid, signal.SIGKILL if force else signal.SIGTERM)
    deadline = time.monotonic() + within_s
    while is_locked(home):
        if time.monotonic() > deadline:
            raise LaunchError(f"pid {state.pid} did not stop in {within_s:g} s; try `everloop down --force`")
        time.sleep(POLL_S)
    sweep(state.token)
    return True
