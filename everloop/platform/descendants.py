"""Find and end every process that a supervisor caused, however deep, by a token in its environment.

Signals sent at a parent's death reach children only. Ray's grandchildren (HAProxy, a job's driver) have
other parents, but every one of them inherited the environment.
"""

import time
from collections.abc import Callable

import psutil

TOKEN_VARIABLE = "EVERLOOP_SUPERVISED_BY"  # noqa: S105 - the name of a variable, no secret


def descendants(token: str) -> list[psutil.Process]:
    """List living processes that carry the token, this one aside."""
    own = psutil.Process().pid
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != own and process.environ().get(TOKEN_VARIABLE) == token:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def sweep(token: str, *, limit_s: float = 10, pause: Callable[[float], None] = time.sleep) -> int:
    """Kill what carries the token until nothing does.

    Returns:
        How many processes were killed.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + limit_s
    while (left := descendants(token)) and time.monotonic() < deadline:
        for process in left:
            killed.add(process.pid)
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        pause(0.05)
    return len(killed)
