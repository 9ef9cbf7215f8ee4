"""Which rows are the same."""

import numpy as np
import pyarrow as pa

Keys = np.ndarray[tuple[int], np.dtype[np.int64]]


def row_keys(rows: pa.Table) -> Keys:
    """Number rows so that those with the same values in all columns have the same number.

    Missing equals missing.

    Returns:
        Numbers from 0, shape (rows,).
    """
    keys = np.zeros(rows.num_rows, dtype=np.int64)
    if not rows.num_rows:
        return keys
    for values in rows.itercolumns():
        codes = value_keys(values)
        # Numbered anew after each column, so that the product stays below rows squared.
        keys = np.unique(keys * (int(codes.max()) + 1) + codes, return_inverse=True)[1].astype(np.int64)
    return keys


def value_keys(values: pa.ChunkedArray) -> Keys:
    """Number values so that equal ones have the same number, missing ones too."""
    encoded = values.combine_chunks().dictionary_encode(null_encoding="encode")
    codes: Keys = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes
