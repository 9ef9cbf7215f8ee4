"""Try what was exported in a process that has nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from everloop.bundle.model import Scores
from everloop.export.source import ExportError

LONGEST_S = 120


def answers_apart(program: str, *arguments: Path, path: Path) -> Scores:
    """Run a program that prints scores as a JSON list.

    Args:
        program: Python.
        arguments: What ``sys.argv`` holds.
        path: Where it finds modules before anywhere else.

    Raises:
        ExportError: It fails.
    """
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    if done.returncode:
        raise ExportError(f"what was written does not work alone: {done.stderr.strip()[-1000:]}")
    return np.array(json.loads(done.stdout), dtype=np.float64)
