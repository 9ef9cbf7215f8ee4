"""The questions, in the words of each protocol. All carry the same rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

Columns = Mapping[str, list[Any]]
Form = Callable[[Columns, Mapping[str, str]], Any]
"""Columns and their datatypes to the body of a request."""

QUESTIONS = 256
"""Different ones, so that nothing answers from a cache."""


def open_inference(columns: Columns, datatypes: Mapping[str, str]) -> dict[str, Any]:
    """Ask under the Open Inference Protocol."""
    return {
        "inputs": [
            {"name": name, "datatype": datatypes[name], "shape": [len(values)], "data": values}
            for name, values in columns.items()
        ]
    }


def named_columns(columns: Columns, _: Mapping[str, str]) -> dict[str, Any]:
    """Ask with the one argument of a BentoML API."""
    return {"columns": columns}


def split_frame(columns: Columns, _: Mapping[str, str]) -> dict[str, Any]:
    """Ask an MLflow scoring server."""
    return {"dataframe_split": {"columns": list(columns), "data": list(zip(*columns.values(), strict=True))}}


def requests(
    rows: pa.Table, datatypes: Mapping[str, str], *, form: Form, path: str, host: str, size: int
) -> Sequence[bytes]:
    """Write whole HTTP requests.

    Args:
        rows: Feature columns, at least `size` rows.
        datatypes: By column.
        form: How the protocol puts it.
        path: Where it is asked.
        host: Of the ``Host`` header.
        size: Rows of one request.
    """
    written = []
    for number in range(QUESTIONS):
        start = number * size % (rows.num_rows - size + 1)
        part = rows.slice(start, size)
        columns = {name: part[name].to_pylist() for name in part.column_names}
        body = orjson.dumps(form(columns, datatypes))
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        written.append(f"{head}\r\n\r\n".encode() + body)
    return written
