"""The cluster: Ray Serve by its REST API, one application per model and one for the front door."""

import json
from collections.abc import Collection, Mapping, Sequence
from time import monotonic
from typing import Any

import httpx

from services.chassis.errors import TransientError
from services.chassis.logs import Log
from services.serving.domain import Deployment
from services.serving.haproxy import DOOR, MODEL_PREFIX
from services.serving.settings import ServingSettings

GRPC_SERVICE = "services.serving.replica.grpc_entrance.add_to_server"
FAILED = "DEPLOY_FAILED"
TRY_FAILED_AGAIN_S = 30.0
LOOK_AGAIN_S = 3.0
PROBE_TIMEOUT_S = 2.0
LOOPBACK = "127.0.0.1"
EVERY_INTERFACE = ("", "0.0.0.0", "::")  # noqa: S104  # recognised here, not bound
DRAIN_S = 20.0
LOAD_EVERY_S = 1.0
LOOK_BACK_S = 5.0
UPSCALE_DELAY_S = 5.0
"""Of load that is above the target. A request that waits at no replica at all starts one at once."""
SIZE_DECIDED_BY = ("min_replicas", "max_replicas", "target_ongoing_requests", "downscale_delay_s")

log = Log(__name__)


def application_name(pipeline: str) -> str:
    """Name the Serve application of a model."""
    return f"{MODEL_PREFIX}{pipeline}"


def applications(
    deployments: Sequence[Deployment], settings: ServingSettings, *, rolling: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """Write down the Serve applications that these models need, by name.

    Args:
        deployments: The models.
        settings: What replicas are told.
        rolling: Models with a rollout under way: it needs replicas that load, whether anybody asks or not.
    """
    shared: dict[str, Any] = {
        "nats_url": settings.nats_url,
        "nats_ca_file": str(settings.nats_ca_file) if settings.nats_ca_file else None,
        "log_level": settings.log_level,
        "log_format": settings.log_format.value,
    }
    door = {
        "name": DOOR,
        "route_prefix": "/",
        "import_path": "services.serving.replica.deployments:build_door",
        "args": {
            **shared,
            "grpc_address": f"{_reachable(settings.serve_host)}:{settings.grpc_port}",
            "front": f"http://{_reachable(settings.serve_host)}:{settings.serve_port}",
            "max_request_bytes": settings.max_request_bytes,
            "requests_at_once": settings.requests_at_once,
        },
        "deployments": [_deployment("door", {"num_replicas": 1}, settings, cpus=0)],
    }
    models: list[dict[str, Any]] = [
        {
            "name": application_name(deployment.pipeline),
            "route_prefix": f"/v2/models/{deployment.pipeline}",
            "import_path": "services.serving.replica.deployments:build",
            "args": {
                **shared,
                "pipeline": deployment.pipeline,
                "otlp_endpoint": settings.otlp_endpoint,
                "code_dir": str(settings.home / "cache" / "code"),
                "max_request_bytes": settings.max_request_bytes,
                "max_rows": settings.max_rows,
                "max_explained_rows": settings.max_explained_rows,
                "max_text_length": settings.max_text_length,
                "batch_rows": settings.batch_rows,
                "batch_wait_ms": settings.batch_wait_ms,
                "batch_call_ms": settings.batch_call_ms,
                "request_timeout_s": settings.request_timeout_s,
                "max_waiting_rows": settings.max_waiting_rows,
                "memory_budget_mib": settings.memory_budget_mib,
                "requests_at_once": settings.requests_at_once,
                "queued_at_once": settings.queued_at_once,
                "log_capacity_rows": settings.log_capacity_rows,
                "log_capacity_mib": settings.log_capacity_mib,
                "log_flush_s": settings.log_flush_s,
                "trace_ratio": settings.trace_ratio,
                "max_ongoing_requests": settings.max_ongoing_requests,
                "max_queued_requests": settings.max_queued_requests,
                "scales": deployment.plan.scaling is not None,
            },
            "deployments": [
                _deployment(
                    "replica",
                    _size(deployment, rolling=deployment.pipeline in rolling),
                    settings,
                    cpus=settings.replica_cpus,
                )
            ],
        }
        for deployment in deployments
    ]
    return {str(one["name"]): one for one in (door, *models)}


class RayServe:
    """Serve of one Ray cluster."""

    def __init__(self, settings: ServingSettings) -> None:
        self._settings = settings
        self._failures: dict[str, str] = {}
        self._retried_at = float("-inf")
        self._found_at = float("-inf")
        self._found: dict[str, dict[str, Any]] | None = None

    async def ensure(self, deployments: Sequence[Deployment], *, rolling: Collection[str] = ()) -> None:
        """Make exactly these models run; those that do already are left alone.

        Args:
            deployments: The models.
            rolling: Those with a rollout under way, which never are without a replica.

        Raises:
            TransientError: Ray does not answer, or refuses.
        """
        wanted = applications(deployments, self._settings, rolling=rolling)
        # Each look costs Ray's dashboard and Serve's controller more than it costs us.
        if wanted == self._found and monotonic() - self._found_at < LOOK_AGAIN_S:
            return
        self._found = None
        running = (await self._call("GET")).get("applications", {})
        self._failures = {
            name: str(state.get("message", "")) for name, state in running.items() if state.get("status") == FAILED
        }
        deployed = {name: state.get("deployed_app_config") or {} for name, state in running.items()}
        if self._as_wanted(wanted, deployed):
            self._found, self._found_at = wanted, monotonic()
            return
        self._retried_at = monotonic()
        log.info("applications are deployed", applications=",".join(sorted(wanted)))
        await self._call(
            "PUT",
            {
                "proxy_location": "HeadOnly",
                "http_options": {"host": self._settings.serve_host, "port": self._settings.serve_port},
                "grpc_options": {
                    "port": self._settings.grpc_port,
                    "grpc_servicer_functions": [GRPC_SERVICE],
                    # It would look for the messages in the pool that ours stay out of.
                    "enable_reflection": False,
                },
                "applications": list(wanted.values()),
            },
        )

    async def failure(self, pipeline: str) -> str | None:
        """Say why a model could not be started; None if it runs or is starting."""
        return self._failures.get(application_name(pipeline))

    async def reaches(self, pipeline: str, version: int) -> bool:
        """Ask through the front whether a version is ready, as any caller could."""
        settings = self._settings
        host = _reachable(settings.serve_host)
        url = f"http://{host}:{settings.serve_port}/v2/models/{pipeline}/versions/{version}/ready"
        try:
            async with httpx.AsyncClient(timeout=PROBE_TIMEOUT_S, trust_env=False) as client:
                return (await client.get(url)).is_success
        except httpx.HTTPError:
            return False

    def url(self, pipeline: str) -> str:
        """Give the base URL of a model."""
        settings = self._settings
        base = settings.public_url or f"http://{settings.serve_host}:{settings.serve_port}"
        return f"{base.rstrip('/')}/v2/models/{pipeline}"

    def _as_wanted(self, wanted: Mapping[str, Any], deployed: Mapping[str, Any]) -> bool:
        if wanted.keys() != deployed.keys():
            return False
        if any(_asked(wanted[name]) != _asked(deployed[name]) for name in wanted):
            return False
        return not self._failures or monotonic() - self._retried_at < TRY_FAILED_AGAIN_S

    async def _call(self, method: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=self._settings.ray_timeout_s, trust_env=False) as client:
                url = f"{self._settings.ray_url.rstrip('/')}/api/serve/applications/"
                answer = await client.request(method, url, json=content, headers=self._authorization())
        except httpx.HTTPError as error:
            raise TransientError("cluster_unavailable", detail=str(error) or type(error).__name__) from error
        if answer.is_error:
            detail = (answer.text.strip().splitlines() or [""])[-1]
            raise TransientError("cluster_refused", status=answer.status_code, detail=detail[:500])
        return dict(json.loads(answer.content)) if answer.content else {}

    def _authorization(self) -> dict[str, str]:
        file = self._settings.ray_token_path
        return {"Authorization": f"Bearer {file.read_text().strip()}"} if file and file.is_file() else {}


def _reachable(host: str) -> str:
    return LOOPBACK if host in EVERY_INTERFACE else host


def _size(deployment: Deployment, *, rolling: bool) -> dict[str, Any]:
    """Say how many replicas a model has; a change of it replaces none."""
    scaling = deployment.plan.scaling
    if scaling is None:
        return {"num_replicas": deployment.replicas}
    fewest = max(deployment.fewest_replicas, deployment.replicas) if rolling else deployment.fewest_replicas
    idle_s = scaling.idle.total_seconds()
    return {
        "autoscaling_config": {
            "min_replicas": fewest,
            "max_replicas": max(scaling.max_replicas, fewest),
            "target_ongoing_requests": scaling.target_ongoing_requests,
            "upscale_delay_s": UPSCALE_DELAY_S,
            "downscale_delay_s": idle_s,
            "downscale_to_zero_delay_s": idle_s,
            "metrics_interval_s": LOAD_EVERY_S,
            "look_back_period_s": LOOK_BACK_S,
        }
    }


def _deployment(name: str, size: Mapping[str, Any], settings: ServingSettings, *, cpus: float) -> dict[str, Any]:
    return {
        "name": name,
        **size,
        "max_ongoing_requests": settings.max_ongoing_requests,
        "max_queued_requests": settings.max_queued_requests,
        # Where settings do replace a replica, the new one answers before the old one leaves.
        "max_surge_percent": 100,
        "graceful_shutdown_timeout_s": DRAIN_S,
        "health_check_period_s": 2.0,
        "health_check_timeout_s": 20.0,
        "ray_actor_options": {"num_cpus": cpus},
        "logging_config": {"enable_access_log": False},
    }


def _asked(application: Mapping[str, Any]) -> tuple[Any, ...]:
    """Take what decides how an application runs; Serve adds fields of its own when it repeats the rest."""
    sizes = {one["name"]: _asked_size(one) for one in application.get("deployments", ())}
    return application.get("import_path"), application.get("route_prefix"), application.get("args"), sizes


def _asked_size(deployment: Mapping[str, Any]) -> tuple[Any, ...]:
    scaling = deployment.get("autoscaling_config") or {}
    return deployment.get("num_replicas"), *(scaling.get(name) for name in SIZE_DECIDED_BY)
