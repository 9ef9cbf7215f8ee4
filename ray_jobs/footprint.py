"""What a version costs to run: how long answers take, and how much memory a process needs for it.

::

    python -m ray_jobs.footprint <bundle uri> <digest>

loads a version in a process of its own and prints by how many bytes that process grew, at most.
"""

import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
import pyarrow as pa

from contracts.model import Digest, Uri
from everloop.bundle.model import Model
from ray_jobs.evaluate import Score

LATENCY_CALLS = 200
LOADED_WITHIN_S = 300


def latencies_ms(ask: Score, rows: pa.Table) -> dict[str, float]:
    """Time answers to one row, features and preparation included: ``latency_ms`` (median) and ``latency_p99_ms``."""
    singles = [rows.slice(place, 1) for place in range(min(rows.num_rows, 32))]
    seconds = []
    for call in range(LATENCY_CALLS):
        start = perf_counter()
        ask(singles[call % len(singles)])
        seconds.append(perf_counter() - start)
    median, slow = np.quantile(seconds, [0.5, 0.99])
    return {"latency_ms": float(median) * 1000, "latency_p99_ms": float(slow) * 1000}


def memory_bytes(bundle_uri: Uri, digest: Digest) -> float:
    """Load a version in a new process and answer its golden requests: what the process grew by, at its largest.

    Raises:
        MemoryError: The process died; its last words are told.
    """
    # A new process, for this one has held the data and a trainer, and an allocator never says what it keeps.
    command = [sys.executable, "-P", "-m", "ray_jobs.footprint", bundle_uri, digest]
    done = subprocess.run(  # noqa: S603 - the command is ours
        command, capture_output=True, text=True, timeout=LOADED_WITHIN_S, check=False
    )
    if done.returncode:
        raise MemoryError(f"the version could not be loaded alone: {done.stderr.strip()[-1000:]}")
    return float(done.stdout)


def main() -> None:
    """Measure this process."""
    bundle_uri, digest = sys.argv[1:]
    before = psutil.Process().memory_info().rss
    model = Model.load(bundle_uri, digest)
    model.check_golden(model.definition.rollout.max_golden_difference)
    sys.stdout.write(f"{max(_peak_bytes() - before, 0)}\n")


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage there: a child begins with its parent's peak.
        told = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(told["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
