"""Whatever carries a supervisor's token can be found and ended, whoever its parent is."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from everloop.platform.descendants import TOKEN_VARIABLE, descendants, sweep
from tests.fixtures.waiting import eventually

# Starts a grandchild in a session of its own and leaves it an orphan.
ORPHANING = (
    "import subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
)


@pytest.fixture
def token() -> Iterator[str]:
    token = str(uuid.uuid4())
    yield token
    sweep(token)


def _orphan(token: str) -> None:
    subprocess.run([sys.executable, "-c", ORPHANING], env={**os.environ, TOKEN_VARIABLE: token}, check=True)


async def test_orphans_of_a_token_are_ended_and_others_are_not(token: str) -> None:
    other = str(uuid.uuid4())
    _orphan(token)
    _orphan(other)
    await eventually(lambda: descendants(token) and descendants(other))

    assert sweep(token) == 1

    assert not descendants(token)
    assert sweep(other) == 1


async def test_the_watchdog_ends_what_a_killed_supervisor_left(token: str) -> None:
    _orphan(token)
    await eventually(lambda: descendants(token))
    watchdog = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "everloop.platform.watchdog", token], stdin=subprocess.PIPE, start_new_session=True
    )
    assert watchdog.stdin

    # Its end of the pipe closes when a supervisor dies, however it does.
    watchdog.stdin.close()

    assert watchdog.wait(timeout=30) == 0
    assert not descendants(token)
