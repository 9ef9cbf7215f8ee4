"""Goes through the session; prints each flow that went through, and ends with the first that did not."""

import sys
import time
from collections.abc import Callable

import mlflow

from tests.conformance.mlflow.session import autologs, files, finding, models, tracking
from tests.conformance.mlflow.session.given import THREE

FLOWS: tuple[Callable[[], None], ...] = (
    tracking.runs_and_nested_runs,
    tracking.metric_history,
    tracking.batches_at_their_limits,
    tracking.asynchronous_logging,
    tracking.inputs,
    files.artifacts,
    finding.searches,
    finding.deletes_and_restores,
    models.models,
    *((models.logged_models,) if THREE else ()),
    autologs.autologging,
    autologs.autologging_lightgbm,
    *((autologs.autologging_pytorch,) if THREE else ()),
)


def main(url: str, server: str = "") -> None:
    """Go through all flows."""
    mlflow.set_tracking_uri(url)
    print(f"MLflow {mlflow.__version__}")  # noqa: T201  # what it is run for
    for flow in (*FLOWS, *(() if server == "stock" else (models.gates,))):
        began = time.perf_counter()
        mlflow.set_experiment(flow.__name__)
        flow()
        print(f"{flow.__name__}: {time.perf_counter() - began:.1f} s", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
