"""Bring the platform up on one home directory and keep it there."""

import asyncio
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

import httpx

from contracts.message import utc_now
from everloop.platform.descendants import sweep
from everloop.platform.home import Home, HomeTakenError, is_locked, locked
from everloop.platform.ports import choose_ports
from everloop.platform.state import PlatformState, endpoints, read_state, write_state
from everloop.platform.supervisor import Listener, Supervisor
from everloop.platform.table import RaySize, Table


@dataclass(frozen=True)
class UpOptions:
    """What a person can choose about a platform's start."""

    ports: Mapping[str, int] = field(default_factory=dict)
    port_base: int | None = None
    ray: RaySize = field(default_factory=RaySize)


def run_platform(
    home: Home, options: UpOptions, *, on_change: Listener, when_ready: Callable[[PlatformState], object]
) -> None:
    """Run until a signal asks to stop; nothing of the platform lives on afterwards.

    Args:
        home: Where everything is kept.
        options: Ports and sizes.
        on_change: Hears of every process that starts, is ready, dies.
        when_ready: Called once, in a thread, when everything answers for the first time.

    Raises:
        HomeTakenError: Another platform runs on this directory.
        PortTakenError: A port that was asked for is in use.
        NatsMissingError: There is no broker to start.
    """
    home.make()
    with locked(home):
        if before := read_state(home):
            sweep(before.token)
        ports = choose_ports(asked=options.ports, base=options.port_base)
        state = PlatformState(
            pid=os.getpid(),
            token=str(uuid.uuid4()),
            version=version("everloop"),
            home=str(home.root),
            started_at=utc_now(),
            endpoints=endpoints(ports),
        )
        write_state(home, state)
        asyncio.run(_supervise(home, state, ports, options.ray, on_change, when_ready))


async def _supervise(
    home: Home,
    state: PlatformState,
    ports: Mapping[str, int],
    ray: RaySize,
    on_change: Listener,
    when_ready: Callable[[PlatformState], object],
) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        table = Table(home, ports, state.endpoints, state.token, ray, client)
        supervisor = Supervisor(home, state, on_change)
        await supervisor.run(table, when_ready=lambda: when_ready(supervisor.state))


def running(home: Home) -> PlatformState | None:
    """Find the platform that runs on this directory, if one does."""
    return read_state(home) if is_locked(home) else None


def refuse_second(home: Home) -> None:
    """Refuse to start where a platform runs.

    Raises:
        HomeTakenError: One does; the error says which.
    """
    if state := running(home):
        raise HomeTakenError(
            f"a platform already runs on {home.root} (pid {state.pid}, registry at {state.endpoints.of('registry')}); "
            "see `everloop status`, or choose another directory with --home"
        )
