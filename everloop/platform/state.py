"""What a running platform says about itself in ``<home>/run/state.json``."""

import os
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from everloop.platform.home import Home
from everloop.platform.ports import HOST


class Condition(StrEnum):
    """How a supervised process is."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    UNREADY = "unready"
    RESTARTING = "restarting"
    STOPPED = "stopped"


class Value(BaseModel):
    """A frozen value; fields of a newer Everloop are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Endpoints(Value):
    """Where the parts of a platform answer."""

    nats: str
    services: dict[str, str]
    ray: str
    serve: str
    otlp: str
    grpc: str = ""
    """Where models answer over gRPC, host:port; empty in a state that an older Everloop wrote."""

    def of(self, service: str) -> str:
        """Find a service's base URL."""
        return self.services[service]


class ProcessState(Value):
    """One line of `everloop status`."""

    name: str
    condition: Condition
    pid: int | None
    url: str
    restarts: int
    ready_after_s: float | None
    log: str


class PlatformState(Value):
    """Everything a client on the same machine needs to find a platform."""

    pid: int
    token: str
    version: str
    home: str
    store_uri: str
    started_at: datetime
    ready_at: datetime | None = None
    endpoints: Endpoints
    processes: tuple[ProcessState, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether every process answers."""
        return all(process.condition is Condition.READY for process in self.processes)


def endpoints(ports: Mapping[str, int]) -> Endpoints:
    """Turn chosen ports into addresses."""
    services = ("ingestion", "training", "registry", "serving", "monitoring")
    return Endpoints(
        nats=f"nats://{HOST}:{ports['nats']}",
        services={name: f"http://{HOST}:{ports[name]}" for name in services},
        ray=f"http://{HOST}:{ports['ray']}",
        serve=f"http://{HOST}:{ports['serve']}",
        otlp=f"http://{HOST}:{ports['traces']}",
        grpc=f"{HOST}:{ports['grpc']}",
    )


def write_state(home: Home, state: PlatformState) -> None:
    """Replace the state file, whole or not at all."""
    draft = home.state_file.with_suffix(".new")
    draft.write_text(state.model_dump_json(indent=2))
    os.replace(draft, home.state_file)


def read_state(home: Home) -> PlatformState | None:
    """Read what the last supervisor wrote; whether it still lives is told by the lock."""
    try:
        return PlatformState.model_validate_json(home.state_file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
