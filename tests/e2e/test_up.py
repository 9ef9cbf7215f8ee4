"""`everloop up`: everything runs, dies and comes back as promised, and nothing is ever left behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from everloop.platform.descendants import descendants, sweep
from everloop.platform.home import Home, is_locked
from everloop.platform.state import PlatformState, read_state
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.ray, pytest.mark.slow]
READY_WITHIN_S = 150
GONE_WITHIN_S = 60
NAMES = {"nats", "ray", "traces", "ingestion", "training", "registry", "serving", "monitoring"}


class Supervised:
    """A supervisor in a session of its own, as a terminal would start it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.tokens: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start ``everloop up``."""
        self.home.root.mkdir(exist_ok=True)
        with (self.home.root / "up.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "everloop.cli.main", "up", "--home", self.home.root, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """What it has printed."""
        return (self.home.root / "up.log").read_text()

    async def ready(self) -> PlatformState:
        """Wait until everything answers."""

        def state() -> PlatformState | None:
            assert self._process
            assert self._process.poll() is None, self.said
            found = read_state(self.home)
            return found if found and found.pid == self._process.pid and found.ready_at else None

        found = await eventually(state, within_s=READY_WITHIN_S, every_s=0.2)
        self.tokens.add(found.token)
        return found

    async def signalled(self, *numbers: signal.Signals) -> int:
        """Send signals and wait for the end."""
        assert self._process
        for number in numbers:
            os.kill(self._process.pid, number)
        code = await eventually(
            lambda: (self._process.poll(),) if self._process.poll() is not None else None,  # type: ignore[union-attr]
            within_s=GONE_WITHIN_S,
        )
        return int(code[0])

    def left(self) -> list[psutil.Process]:
        """List what still lives of any platform that ran here."""
        return [process for token in self.tokens for process in descendants(token)]

    def end(self) -> None:
        """Kill whatever is left."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for token in self.tokens:
            sweep(token)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    supervised = Supervised(Home(tmp_path / "home"))
    yield supervised
    supervised.end()


def _everloop(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "everloop.cli.main", *words], capture_output=True, text=True, timeout=60, check=False
    )


async def test_a_platform_lives_and_dies_in_order(supervised: Supervised) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        base = other.getsockname()[1]
        supervised.start("--port-base", str(base))
        state = await supervised.ready()

        # The port in use was replaced by a free one.
        assert not state.endpoints.nats.endswith(f":{base}")
    assert {process.name for process in state.processes} == NAMES
    assert all(process.condition == "ready" for process in state.processes)
    assert "registered flight_delays" in supervised.said

    # Another one on the same directory refuses, and says who is there.
    second = _everloop("up", "--home", str(supervised.home.root))
    assert second.returncode == 1
    assert str(state.pid) in second.stderr
    assert state.endpoints.of("registry") in second.stderr

    # Ray listens on loopback only, and its REST APIs want the token.
    listening = {
        connection.laddr.ip
        for process in descendants(state.token)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    assert supervised.home.ray_token.stat().st_mode & 0o777 == 0o600

    # A service that is killed comes back, under the same address.
    victim = next(process for process in state.processes if process.name == "registry")
    assert victim.pid
    os.kill(victim.pid, signal.SIGKILL)

    def back() -> bool:
        now = read_state(supervised.home)
        again = next(process for process in now.processes if process.name == "registry") if now else victim
        return again.restarts == 1 and again.condition == "ready" and again.url == victim.url

    await eventually(back, within_s=60, every_s=0.2)
    shown = json.loads(_everloop("status", "--home", str(supervised.home.root), "--json").stdout)
    assert shown["ready"] is True
    assert [pipeline["pipeline"] for pipeline in shown["pipelines"]] == ["flight_delays"]
    assert "token" not in shown

    # Ctrl-C stops in order and leaves nothing.
    assert await supervised.signalled(signal.SIGINT) == 0
    assert re.search(r"nats +stopped", supervised.said)
    assert supervised.left() == []
    assert not is_locked(supervised.home)
    assert _everloop("status", "--home", str(supervised.home.root)).returncode == 3


async def test_killed_platforms_leave_nothing_and_resume_where_they_were(supervised: Supervised) -> None:
    supervised.start("--port-base", "23400")
    await supervised.ready()
    published = _everloop(
        "publish", "commands.training.run.start.v1.flight_delays", "{}", "--home", str(supervised.home.root)
    )
    assert published.returncode == 0, published.stderr

    def skipped() -> bool:
        told = _everloop("events", "--type", "run.skipped", "--json", "--home", str(supervised.home.root))
        return "no_data" in told.stdout

    await eventually(skipped, within_s=30, every_s=0.5)
    assert len(supervised.left()) > len(NAMES)

    await supervised.signalled(signal.SIGKILL)

    await eventually(lambda: not supervised.left(), within_s=GONE_WITHIN_S, every_s=0.2)

    supervised.start("--port-base", "23400")
    await supervised.ready()
    assert skipped()
    assert "registered flight_delays" not in supervised.said

    # Two signals in a row: no patience, and still nothing is left.
    await supervised.signalled(signal.SIGINT, signal.SIGINT)
    await eventually(lambda: not supervised.left(), within_s=GONE_WITHIN_S, every_s=0.2)
