"""Let another release of MLflow's client have the session, where its pins can't stand beside ours.

::

    python -m venv .venv-bench/mlflow2
    .venv-bench/mlflow2/bin/pip install "mlflow-skinny>=2.22,<3" "scikit-learn<1.8" "pandas<3" lightgbm matplotlib
    python -m tests.conformance.mlflow.by_hand .venv-bench/mlflow2/bin/python
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conformance.mlflow.session import started
from tests.fixtures.registry_process import registry_process


def main(python: str) -> int:
    """Run the session with a registry of its own."""
    with TemporaryDirectory() as home, registry_process(Path(home)) as registry:
        return subprocess.run(
            [Path(python).absolute(), *started.WORDS, registry.url],
            cwd=home,
            env=started.environment(),
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
