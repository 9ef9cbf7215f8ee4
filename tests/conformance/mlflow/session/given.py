"""What every chapter is given: a client, rows with labels, and errors that are expected."""

from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

THREE = int(mlflow.__version__.split(".")[0]) >= 3
ROWS = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0)[::-1]})
LABELS = (ROWS["a"] > 19).astype(int)
client = mlflow.MlflowClient


@contextmanager
def refused(code: str) -> Iterator[None]:
    """Expect an error of the server."""
    said = ""
    try:
        yield
    except MlflowException as error:
        said = error.error_code
    assert said == code
