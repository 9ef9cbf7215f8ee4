"""The connection to Ray, made only by jobs that need it: a run in process never pays for it."""

import os
import sys
from pathlib import Path

from everloop.bundle.code import PRIVATE_PACKAGE


def connect() -> None:
    """Join the cluster this job was submitted to, or start a small one on this machine.

    Workers import the very code this process runs.
    """
    # A local Ray otherwise writes a token into the home directory and asks every client for it.
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray gives its workers the lowest priority but four; on a busy machine they would starve.
    os.environ.setdefault("RAY_worker_niceness", "0")
    # The job's own variables stand beside those it was submitted with.
    os.environ.setdefault("RAY_OVERRIDE_JOB_RUNTIME_ENV", "1")
    import ray

    if not ray.is_initialized():
        root = str(Path(__file__).resolve().parents[1])
        ray.init(
            include_dashboard=False if "RAY_ADDRESS" not in os.environ else None,
            runtime_env={"env_vars": {"PYTHONPATH": root}},
            log_to_driver=False,
            configure_logging=False,
        )


def ship_pipelines() -> None:
    """Have workers get a pipeline's functions by value: its private module exists in this process only."""
    from ray import cloudpickle

    for name, module in list(sys.modules.items()):
        if name.startswith(f"{PRIVATE_PACKAGE}.") and getattr(module, "__file__", None):
            cloudpickle.register_pickle_by_value(module)


def gpus() -> int:
    """Count the cluster's GPUs."""
    import ray

    return int(ray.cluster_resources().get("GPU", 0))
