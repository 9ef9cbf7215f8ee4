"""Feature columns to the model's matrix, by what was fitted in training: one code for the job and the replica."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.bundle import NumericColumn, OrdinalColumn, Preparation, PreparedColumn, TargetColumn

FEW_ROWS = 256
_STRING = pa.string()
_AS_NUMPY = (pa.float64(), pa.int64())
"""Types that NumPy turns into the same floats as Arrow."""

Floats = NDArray[np.float32]
Encoder = Callable[[pa.ChunkedArray], NDArray[np.float64]]


class Preparer:
    """A preparation with its look-up tables built once, for many calls."""

    def __init__(self, preparation: Preparation) -> None:
        self._encoders = tuple((column.name, _encoder(column)) for column in preparation.columns)

    def __call__(self, features: pa.Table) -> Floats:
        """Prepare rows.

        Args:
            features: What the pipeline's feature function gave; n rows.

        Returns:
            The matrix, shape (n, number of prepared columns); missing numbers are NaN.

        Raises:
            KeyError: A column is not there.
        """
        matrix = np.empty((features.num_rows, len(self._encoders)), dtype=np.float32)
        for place, (name, encode) in enumerate(self._encoders):
            matrix[:, place] = encode(features.column(name))
        return matrix


def prepare(features: pa.Table, preparation: Preparation) -> Floats:
    """Prepare rows once; see ``Preparer``."""
    return Preparer(preparation)(features)


def numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Read a numeric or boolean column as floats; null becomes NaN. Integers beyond 2**53 are rounded."""
    if column.num_chunks == 1 and column.type in _AS_NUMPY:
        # For one row, a cast takes twenty times as long.
        return np.asarray(column.chunk(0).to_numpy(zero_copy_only=False), dtype=np.float64)
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _encoder(column: PreparedColumn) -> Encoder:
    if isinstance(column, NumericColumn):
        return _numeric(column)
    if isinstance(column, OrdinalColumn):
        return _looked_up(column.vocabulary, np.arange(len(column.vocabulary), dtype=np.float64), -1.0)
    return _target(column)


def _numeric(column: NumericColumn) -> Encoder:
    standardised = column.mean != 0 or column.scale != 1

    def encode(values: pa.ChunkedArray) -> NDArray[np.float64]:
        number = numbers(values)
        if column.fill is not None:
            number = np.where(np.isnan(number), column.fill, number)
        return (number - column.mean) / column.scale if standardised else number

    return encode


def _target(column: TargetColumn) -> Encoder:
    return _looked_up(tuple(column.means), np.fromiter(column.means.values(), dtype=np.float64), column.default)


def _looked_up(vocabulary: tuple[str, ...], values: NDArray[np.float64], default: float) -> Encoder:
    known = pa.array(vocabulary, type=pa.string())
    table = np.append(values, default)
    # Of equal words the first one counts, as in Arrow.
    by_word: dict[str | None, float] = dict(zip(reversed(vocabulary), reversed(values.tolist()), strict=True))

    def encode(column: pa.ChunkedArray) -> NDArray[np.float64]:
        if len(column) <= FEW_ROWS and column.type == _STRING:
            # Arrow makes a table of the whole vocabulary at every call.
            return np.array([by_word.get(word, default) for word in column.to_pylist()], dtype=np.float64)
        places = pc.index_in(column, value_set=known, skip_nulls=True)
        found: NDArray[np.float64] = table[places.fill_null(len(vocabulary)).to_numpy()]
        return found

    return encode
