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

LARGEST_EXPLAINED = 256
"""Rows: an explanation takes a thousand times what a score does."""

log = Log(__name__)


class Explain(Protocol):
    """Attributes the scores of rows given as plain values by column."""

    def __call__(self, columns: Mapping[str, Sequence[Any]]) -> Attributions:
        """Explain."""


async def attributions(explain: Explain | None, question: Question) -> Attributions:
    """Explain the rows of a question, beside the event loop.

    Raises:
        RequestError: 413 for too many rows, 400 if the version has nothing to be explained with, 500 if what was found
            does not add up.
    """
    if question.rows > LARGEST_EXPLAINED:
        raise RequestError(413, f"{question.rows} rows; at most {LARGEST_EXPLAINED} are explained at once")
    if explain is None:
        raise RequestError(400, "this version can't explain its scores")
    try:
        return await asyncio.to_thread(explain, question.columns)
    except InputError as error:
        raise RequestError(400, str(error)) from error
    except BundleError as error:
        if error.slug == "explanation_mismatch":
            log.exception("explanation does not add up")
            raise RequestError(500, "the explanation does not add up to the score, so it is not given") from error
        raise RequestError(400, f"this version can't explain its scores: {error}") from error
