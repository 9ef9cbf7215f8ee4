"""Settings of serving."""

import os
import sys
from pathlib import Path

from pydantic import Field

from services.chassis.settings import ServiceSettings, settings_for
from services.serving.ingress import LARGEST_MESSAGE_BYTES


def _ray_token_path() -> Path | None:
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(named) if named else None


class ServingSettings(ServiceSettings):
    """What an operator can set, as ``EVERLOOP_SERVING_…`` or under ``[serving]``."""

    model_config = settings_for("serving")

    ray_url: str = Field(default="http://127.0.0.1:8265", description="The Ray dashboard, which has Serve's REST API.")
    ray_token_path: Path | None = Field(
        default_factory=_ray_token_path, description="File with Ray's token; unset: RAY_AUTH_TOKEN_PATH."
    )
    ray_timeout_s: float = Field(default=120, gt=0, description="For one answer of Ray; the first starts Serve.")
    job_python: str = Field(
        default=sys.executable, description="The interpreter that runs batch predictions on the cluster."
    )
    serve_host: str = Field(
        default="127.0.0.1", description="Where Serve listens for predictions. Loopback unless something guards it."
    )
    serve_port: int = Field(default=8000, ge=1, le=65535, description="Port of predictions, all models alike.")
    grpc_port: int = Field(default=8001, ge=1, le=65535, description="Port of predictions over gRPC.")
    public_url: str | None = Field(default=None, description="Base URL that clients see, where an edge is in front.")
    replica_cpus: float = Field(
        default=0.0,
        ge=0,
        description="CPU slots a replica reserves in Ray. 0 on one machine: training would miss what is reserved.",
    )
    max_request_bytes: int = Field(
        default=8 * 1024 * 1024, gt=0, le=LARGEST_MESSAGE_BYTES, description="Of one prediction request."
    )
    max_rows: int = Field(default=10_000, gt=0, description="Of one prediction request.")
    max_explained_rows: int = Field(
        default=100, ge=0, description="Of one request for explanations, which cost about a millisecond a row."
    )
    max_text_length: int = Field(
        default=10_000, gt=0, description="Of one text of a prediction request, in characters."
    )
    batch_rows: int = Field(
        default=256, gt=0, description="Rows that requests waiting for one model are joined to, for one call of it."
    )
    batch_wait_ms: float = Field(
        default=0, ge=0, description="How long a request that finds the model idle waits for others. 0: not at all."
    )
    batch_call_ms: float = Field(
        default=100, gt=0, description="What a joined call should take at most; longer ones make batches smaller."
    )
    request_timeout_s: float = Field(
        default=10, gt=0, description="After so long in the replica a request gets 503 or 504."
    )
    max_waiting_rows: int = Field(
        default=100_000, gt=0, description="Of all requests that wait for the models of one replica; others get 429."
    )
    memory_budget_mib: int = Field(
        default=256, gt=0, description="Of the versions in one replica; earlier ones go first, desired ones never."
    )
    max_ongoing_requests: int = Field(default=64, gt=0, description="Answered at once by one replica; others queue.")
    max_queued_requests: int = Field(default=1024, gt=0, description="Waiting for one replica; others get 503.")
    requests_at_once: int = Field(
        default=32, gt=0, description="Asked over the broker and answered at once by one replica; others get 429."
    )
    queued_at_once: int = Field(default=16, gt=0, description="Queued requests one replica works on at once.")
    log_capacity_rows: int = Field(default=200_000, gt=0, description="Predictions that may wait for the broker.")
    log_capacity_mib: int = Field(default=128, gt=0, description="Of the predictions that may wait for the broker.")
    log_flush_s: float = Field(default=0.1, gt=0, description="How long a prediction waits for others to travel with.")
    trace_ratio: float = Field(
        default=0.01, ge=0, le=1, description="Share of requests traced that bring no trace context of their own."
    )
    flip_timeout_s: float = Field(
        default=300,
        gt=0,
        description="How long all traffic may need to reach a version that replicas hold; then it is rolled back.",
    )
    keep_lookups_days: float = Field(
        default=7,
        ge=0,
        description="How long scores that were computed in advance are kept when nobody needs them any more.",
    )
    diverged_after_s: float = Field(
        default=30, gt=0, description="How long replicas may differ from what is desired before that is an event."
    )
