"""Attributions of the rows of one question, where they are asked for."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from everloop.bundle.explaining import Attributions
from everloop.bundle.manifest import BundleError
from everloop.bundle.rows import InputError
from services.chassis.logs import Log
from services.serving.replica.errors import RequestError
from services.serving.replica.question import Question

MAX_WAITING = 8
RETRY_AFTER_S = 1

log = Log(__name__)


class Explain(Protocol):
    """Attributes the scores of rows given as plain values by column."""

    def __call__(self, columns: Mapping[str, Sequence[Any]]) -> Attributions:
        """Explain."""


class Explaining:
    """Explains one version's scores, one question after the other, beside the event loop.

    A row takes a millisecond or several, a hundred times what its score does: more at once would only take the
    processor from who is scored.
    """

    def __init__(self, explain: Explain, *, max_rows: int) -> None:
        self._explain = explain
        self._max_rows = max_rows
        self._waiting = 0
        self._turn = asyncio.Lock()

    async def __call__(self, question: Question) -> Attributions:
        """Explain the rows of a question.

        Raises:
            RequestError: 413 for too many rows, 429 for too many questions, 400 if the version has nothing to be
                explained with or a value does not do, 500 if what was found does not add up.
        """
        if question.rows > self._max_rows:
            raise RequestError(413, f"{question.rows} rows; at most {self._max_rows} are explained at once")
        if self._waiting >= MAX_WAITING:
            raise RequestError(429, "too many explanations are asked for", retry_after_s=RETRY_AFTER_S)
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(self._explain, question.columns)
        except InputError as error:
            raise RequestError(400, str(error)) from error
        except BundleError as error:
            if error.slug == "explanation_mismatch":
                log.exception("explanation does not add up")
                raise RequestError(500, "the explanation does not add up to the score, so it is not given") from error
            raise RequestError(400, f"this version can't explain its scores: {error}") from error
        finally:
            self._waiting -= 1


async def attributions(explain: Explaining | None, question: Question) -> Attributions:
    """Explain the rows of a question, by a version that may not be able to.

    Raises:
        RequestError: It can't, or won't now.
    """
    if explain is None:
        raise RequestError(400, "this version can't explain its scores")
    return await explain(question)
