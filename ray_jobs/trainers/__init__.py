"""Model families. One module each, named as in ``contracts.pipeline.TrainerName``; a further one is one more module."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.bundle import Preparation
from contracts.model import Scalar, Uri
from contracts.pipeline import Objective, Trainer
from ray_jobs.fitting import Encoding
from ray_jobs.progress import Teller
from ray_jobs.rows import Rows

X = "x"
Y = "y"
Parameters = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Task:
    """What a trainer needs to know besides the examples."""

    objective: Objective
    preparation: Preparation
    parameters: Parameters
    seed: int
    resources: Trainer
    checkpoints_uri: Uri
    say: Teller
    """Tells how training goes; may be called on a worker."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained model."""

    model: bytes
    """ONNX: input ``features`` float32 (rows, columns), output ``score`` (rows,) or (rows, 1)."""
    device: str
    """``cpu`` or ``cuda``."""
    trees: str | None = None
    """The booster in LightGBM's text form, where the model is one: explained exactly."""


class TrainerModule(Protocol):
    """What a module of this package holds."""

    def encoding(self, parameters: Parameters) -> Encoding:
        """Say how the matrix should be prepared."""

    def fit(self, train: Rows, validation: Rows, task: Task) -> Fitted:
        """Train on examples (columns ``x`` and ``y``, see ``examples``); the same ones and the same seed give
        the same model, where the family can keep that promise.

        Raises:
            ParameterError: A parameter is unknown or of the wrong type.
        """


class ParameterError(ValueError):
    """A parameter that the trainer does not take; the message lists those it takes."""


def named(trainer: Trainer) -> TrainerModule:
    """Import the trainer's module."""
    return cast(TrainerModule, import_module(f"{__name__}.{trainer.name.value}"))


def examples(matrix: NDArray[np.float32], labels: NDArray[np.float64]) -> pa.Table:
    """Put prepared rows and labels into a batch: ``x`` a list of floats per row, ``y`` a float."""
    flat = pa.array(matrix.reshape(-1), pa.float32(), from_pandas=False)
    return pa.table({X: pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1]), Y: pa.array(labels, pa.float64())})


def arrays(batch: pa.Table) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Take a batch of examples apart again: shapes (n, columns) and (n,)."""
    x = batch[X].combine_chunks()
    flat = np.asarray(x.flatten().to_numpy(zero_copy_only=False), dtype=np.float32)
    return flat.reshape(batch.num_rows, x.type.list_size), batch[Y].to_numpy()


def merged(defaults: Parameters, given: Parameters) -> dict[str, Scalar]:
    """Lay given parameters over the defaults.

    Raises:
        ParameterError: One is unknown, or of another type than its default.
    """
    if unknown := sorted(set(given) - set(defaults)):
        raise ParameterError(f"unknown parameters {', '.join(unknown)}; there are {', '.join(sorted(defaults))}")
    for name, value in given.items():
        wanted = type(defaults[name])
        if not (isinstance(value, wanted) or (wanted is float and isinstance(value, int))) or (
            wanted is not bool and isinstance(value, bool)
        ):
            raise ParameterError(f"{name} is {value!r}; expected {wanted.__name__}, such as {defaults[name]!r}")
    return {name: given.get(name, default) for name, default in defaults.items()}
