"""The table of processes: what runs, on which port, with which environment, after what."""

import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx

from everloop.platform.config import otlp_endpoint, store_uri
from everloop.platform.descendants import TOKEN_VARIABLE
from everloop.platform.home import Home
from everloop.platform.nats import nats_binary, write_nats_config
from everloop.platform.process import ProcessSpec
from everloop.platform.readiness import file_ready, http_ready, nats_ready
from everloop.platform.state import Endpoints

SERVICES = ("ingestion", "training", "registry", "serving", "monitoring")


@dataclass(frozen=True)
class RaySize:
    """How much Ray may take. Slots are not cores: most of what runs here waits."""

    cpus: int = 8
    object_store_mib: int = 256


@dataclass(frozen=True)
class Table:
    """Everything the processes of one platform are made from."""

    home: Home
    ports: Mapping[str, int]
    endpoints: Endpoints
    token: str
    ray: RaySize
    client: httpx.AsyncClient

    def __iter__(self) -> Iterator[ProcessSpec]:
        """List the processes, first to start first."""
        yield self._nats()
        yield self._ray()
        yield self._traces()
        yield from map(self._service, SERVICES)

    def _nats(self) -> ProcessSpec:
        port = self.ports["nats"]
        config = write_nats_config(self.home, port)
        return ProcessSpec(
            "nats",
            (str(nats_binary()), "--config", str(config)),
            self._env(),
            self.endpoints.nats,
            nats_ready(port),
        )

    def _traces(self) -> ProcessSpec:
        return ProcessSpec(
            "traces",
            (*_python("everloop.traces.receiver"), "--port", str(self.ports["traces"]), str(self.home.spans)),
            self._env(),
            self.endpoints.otlp,
            http_ready(self.client, f"{self.endpoints.otlp}/health/ready"),
        )

    def _ray(self) -> ProcessSpec:
        token = ray_token(self.home)
        answers = http_ready(
            self.client, f"{self.endpoints.ray}/api/version", headers={"Authorization": f"Bearer {token}"}
        )
        options = {
            "--port": self.ports["ray"],
            "--sessions": self.home.ray_sessions,
            "--ready": self.home.ray_ready,
            "--cpus": self.ray.cpus,
            "--object-store-mib": self.ray.object_store_mib,
        }
        return ProcessSpec(
            "ray",
            (*_python("everloop.platform.ray_head"), *(str(word) for option in options.items() for word in option)),
            self._env() | ray_env(self.home) | serve_env(self.home, self.ports["serve"]),
            self.endpoints.ray,
            file_ready(self.home.ray_ready, answers),
            before_start=lambda: self.home.ray_ready.unlink(missing_ok=True),
            # Replicas first empty their prediction logs.
            stop_within_s=20.0,
        )

    def _service(self, name: str) -> ProcessSpec:
        url = self.endpoints.of(name)
        return ProcessSpec(
            name,
            _python(f"services.{name}.main"),
            self._env() | ray_env(self.home) | self._own(name),
            url,
            http_ready(self.client, f"{url}/health/ready"),
            after=("nats",),
        )

    def _own(self, service: str) -> dict[str, str]:
        """Write what only one service is told."""
        port = {"EVERLOOP_PORT": str(self.ports[service])}
        match service:
            case "training":
                return port | {"EVERLOOP_TRAINING_RAY_URL": self.endpoints.ray}
            case "serving":
                return port | {
                    "EVERLOOP_SERVING_RAY_URL": self.endpoints.ray,
                    "EVERLOOP_SERVING_SERVE_PORT": str(self.ports["serve"]),
                    "EVERLOOP_SERVING_GRPC_PORT": str(self.ports["grpc"]),
                }
        return port

    def _env(self) -> dict[str, str]:
        return os.environ | {
            TOKEN_VARIABLE: self.token,
            "EVERLOOP_HOME": str(self.home.root),
            "EVERLOOP_STORE_URI": store_uri(self.home),
            "EVERLOOP_NATS_URL": self.endpoints.nats,
            "EVERLOOP_OTLP_ENDPOINT": otlp_endpoint(self.home, self.endpoints.otlp),
            "PYTHONUNBUFFERED": "1",
        }


def ray_env(home: Home) -> dict[str, str]:
    """What the Ray head and every client of it must agree on."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(home.ray_token),
        # Off Linux Ray listens on loopback only unless this is set; here it does everywhere.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray's default of 15 starves replicas and jobs beside services on a busy machine.
        "RAY_worker_niceness": "0",
        # Fixed ports in Ray, which would collide between two platforms; 0 lets the kernel choose.
        "DASHBOARD_METRIC_PORT": "0",
        "AUTOSCALER_METRIC_PORT": "0",
    }


def serve_env(home: Home, port: int) -> dict[str, str]:
    """What Ray Serve's ingress reads when it starts, decided by the serving service."""
    from services.serving.ingress import environment

    return environment(home.root, port)


def ray_token(home: Home) -> str:
    """Read the secret of this home's Ray, made at the first start."""
    path = home.ray_token
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text().strip()


def _python(module: str) -> tuple[str, ...]:
    # -P: a folder called services where the person happens to stand is not ours.
    return (sys.executable, "-P", "-m", module)
