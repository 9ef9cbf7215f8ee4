"""What is asked, against one signature: tensors or rows in, columns out, or a refusal that names the fault."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from contracts.bundle import Signature
from services.serving.replica.columns import Column, Tensor
from services.serving.replica.errors import RequestError, quoted
from services.serving.replica.question import Question
from services.serving.replica.times import times, times_of_tensor

LONGEST_TEXT = 10_000


class Reader:
    """Reads questions against one signature."""

    def __init__(
        self, signature: Signature, *, event_time: str | None, max_rows: int, max_text_length: int = LONGEST_TEXT
    ) -> None:
        """Prepare the look-up tables.

        Args:
            signature: What the model is asked with.
            event_time: Name of the optional column that says when each row happened: ISO-8601 times with a
                zone (BYTES), or milliseconds since 1970 (INT64).
            max_rows: Most rows of one question.
            max_text_length: Most characters of one text.
        """
        self._columns = {spec.name: Column(spec, max_text_length=max_text_length) for spec in signature.inputs}
        self.event_time = event_time
        self._max_rows = max_rows

    def of_tensors(self, tensors: Sequence[Tensor], size_bytes: int) -> Question:
        """Read one tensor per column; its shape is [rows] or [rows, 1].

        Args:
            tensors: At least one, each with a name.
            size_bytes: Of the request.

        Raises:
            RequestError: 400 with the first fault found, 413 if there are too many rows.
        """
        rows = self._bounded(_row_count(tensors[0]))
        columns: dict[str, Sequence[Any]] = {}
        event_times: list[datetime] | None = None
        for tensor in tensors:
            name = tensor["name"]
            if name in columns or (event_times is not None and name == self.event_time):
                raise RequestError(400, f"input {name!r} is there twice")
            if column := self._columns.get(name):
                columns[name] = column.of_tensor(tensor, rows)
            elif name == self.event_time:
                event_times = times_of_tensor(tensor, name, rows)
            else:
                raise self._unknown(name)
        if len(columns) != len(self._columns):
            missing = ", ".join(sorted(self._columns.keys() - columns.keys()))
            raise RequestError(400, f"inputs are missing: {missing}")
        return Question(rows, columns, event_times, size_bytes)

    def of_rows(self, rows: Sequence[Mapping[str, Any]], size_bytes: int) -> Question:
        """Read one mapping per row; a nullable column may be left out.

        Args:
            rows: Plain values by column.
            size_bytes: Of the request.

        Raises:
            RequestError: 400 with the first fault found, 413 if there are too many rows.
        """
        self._bounded(len(rows))
        known = self._columns.keys() | {self.event_time} if self.event_time else self._columns.keys()
        for row in rows:
            if not row.keys() <= known:
                raise self._unknown(next(name for name in row if name not in known))
        columns = {name: column.of_rows(rows) for name, column in self._columns.items()}
        event_times = None
        if any(self.event_time in row for row in rows):
            name = str(self.event_time)
            event_times = times([row.get(name) for row in rows], name)
        return Question(len(rows), columns, event_times, size_bytes)

    def _bounded(self, rows: int) -> int:
        if rows > self._max_rows:
            raise RequestError(413, f"{rows} rows; at most {self._max_rows} are answered at once")
        return rows

    def _unknown(self, name: str) -> RequestError:
        return RequestError(400, f"unknown input {quoted(name)}; the inputs are {', '.join(self._columns)}")


def _row_count(tensor: Tensor) -> int:
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not shape or type(shape[0]) is not int or shape[0] < 1:
        raise RequestError(400, "the first input's shape does not begin with its number of rows, 1 or more")
    return shape[0]
