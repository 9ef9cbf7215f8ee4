"""How a session is started, whatever interpreter goes through it."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[4]
WORDS = "-P", "-m", "tests.conformance.mlflow.session"
"""``-P``: what lies where it is started is not imported."""


def environment() -> dict[str, str]:
    """Let the interpreter find the session; nobody is told about it."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"}
