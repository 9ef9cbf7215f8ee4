"""How much one replica takes on at once, whoever asks. What is beyond is refused before it costs more."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.serving.replica.errors import RETRY_AFTER_S, RequestError


class Capacity:
    """Counts rows from question to answer. The edges bound what is not a question yet."""

    def __init__(self, rows: int) -> None:
        """Start empty.

        Args:
            rows: Most at once; a question that is alone may have more.
        """
        self._most_rows = rows
        self.questions = 0
        """Under way."""
        self.rows = 0
        """Under way."""
        self.refused = 0
        """Questions so far."""

    @contextmanager
    def taken(self, rows: int) -> Iterator[None]:
        """Take a question on until the block ends.

        Raises:
            RequestError: 429, there are too many.
        """
        if self.rows and self.rows + rows > self._most_rows:
            self.refused += 1
            message = f"{self.rows} rows are waiting for this model; come again"
            raise RequestError(429, message, retry_after_s=RETRY_AFTER_S)
        self.questions += 1
        self.rows += rows
        try:
            yield
        finally:
            self.questions -= 1
            self.rows -= rows
