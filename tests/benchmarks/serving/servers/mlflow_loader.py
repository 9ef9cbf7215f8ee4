"""An MLflow model of the python_function flavor, by its loader module.

::

    python -m tests.benchmarks.serving.servers.mlflow_loader DIRECTORY
"""

import sys

import numpy as np
import pandas as pd

from everloop.bundle.model import Model
from tests.benchmarks.serving.servers.asked import load


class _Flights:
    """What MLflow asks."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Answer."""
        return self._model.predict({str(name): values.tolist() for name, values in frame.items()})


def _load_pyfunc(_: str) -> _Flights:
    return _Flights(load())


if __name__ == "__main__":
    import mlflow.pyfunc

    mlflow.pyfunc.save_model(sys.argv[1], loader_module="tests.benchmarks.serving.servers.mlflow_loader")
