"""Bring the platform up on one home directory and keep it there."""

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Self

import httpx

from contracts.message import utc_now
from everloop.platform.config import PlatformConfig, store_uri
from everloop.platform.descendants import TOKEN_VARIABLE, sweep
from everloop.platform.home import Home, HomeTakenError, is_locked, locked
from everloop.platform.ports import choose_ports
from everloop.platform.registration import Registration, pipeline_folders, register_apart, shipped_pipelines
from everloop.platform.state import PlatformState, endpoints, read_state, write_state
from everloop.platform.supervisor import Listener, Supervisor
from everloop.platform.table import RaySize, Table

CHAMPIONS_LIMIT_S = 60.0
CHAMPIONS_POLL_S = 0.25


@dataclass(frozen=True)
class UpOptions:
    """What a person can choose about a platform's start."""

    ports: Mapping[str, int] = field(default_factory=dict)
    port_base: int | None = None
    ray: RaySize = field(default_factory=RaySize)
    pipelines: tuple[Path, ...] = ()

    @classmethod
    def merge(
        cls,
        config: PlatformConfig,
        *,
        ports: Mapping[str, int],
        port_base: int | None,
        ray_cpus: int | None,
        pipelines: Sequence[Path],
    ) -> Self:
        """Take what was said on the command line, else what the file says."""
        return cls(
            ports={**config.ports, **ports},
            port_base=port_base or config.port_base,
            ray=RaySize(ray_cpus or config.ray_cpus, config.object_store_mib),
            pipelines=tuple(dict.fromkeys(path.resolve() for path in (*config.pipelines, *pipelines))),
        )

    def arguments(self) -> list[str]:
        """Write the options as the command line that gives them again."""
        words = [word for name, port in self.ports.items() for word in ("--port", f"{name}={port}")]
        words += ["--port-base", str(self.port_base)] if self.port_base else []
        words += ["--ray-cpus", str(self.ray.cpus)]
        return words + [word for folder in self.pipelines for word in ("--pipelines", str(folder))]


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
            store_uri=store_uri(home),
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
        await supervisor.run(table, when_ready=when_ready)


def register_pipelines(state: PlatformState, folders: Sequence[Path]) -> list[Registration]:
    """Register the pipelines in the folders a person named, and shipped ones that are not known yet.

    A shipped pipeline that is known may have been changed by a person; starting again leaves it as it is.
    What goes wrong is told in the answer: the platform runs on without it.
    """
    try:
        known = known_pipelines(state)
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return [Registration("training", error=f"the training service does not tell its pipelines: {error}")]
    shipped = [path for path in pipeline_folders([shipped_pipelines()]) if path.name not in known]
    wanted = [*shipped, *pipeline_folders(folders)]
    if not wanted:
        return []
    try:
        # With the token, so that it goes with the platform should that stop meanwhile.
        env = os.environ | {TOKEN_VARIABLE: state.token}
        return register_apart(wanted, nats_url=state.endpoints.nats, store=state.store_uri, env=env)
    except RuntimeError as error:
        return [Registration("pipelines", error=str(error))]


def known_pipelines(state: PlatformState) -> set[str]:
    """Ask the training service which pipelines it knows."""
    answer = httpx.get(f"{state.endpoints.of('training')}/v1/pipelines", timeout=10, trust_env=False)
    return {pipeline["name"] for pipeline in answer.raise_for_status().json()}


def await_champions(state: PlatformState, *, within_s: float = CHAMPIONS_LIMIT_S) -> dict[str, bool]:
    """Wait until every champion answers again after a restart.

    Returns:
        Names of the models, and whether each answered in time; empty where none was ever promoted.
    """
    with httpx.Client(trust_env=False, timeout=5) as http:
        try:
            models = http.get(f"{state.endpoints.of('registry')}/v1/models").raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return {}
        # A champion that was only logged may be one that nobody can serve.
        made = [model for model in models if model["kind"] == "pipeline"]
        champions = [model["name"] for model in made if model["aliases"]["champion"]]
        answering: dict[str, bool] = dict.fromkeys(champions, False)
        deadline = time.monotonic() + within_s
        while not all(answering.values()) and time.monotonic() < deadline:
            for name in (name for name, answers in answering.items() if not answers):
                try:
                    answer = http.get(f"{state.endpoints.serve}/v2/models/{name}/ready")
                except httpx.HTTPError:
                    continue
                answering[name] = answer.status_code == httpx.codes.OK
            time.sleep(CHAMPIONS_POLL_S)
        return answering


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
