"""Attributions of the rows of one question, where they are asked for."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from everloop.bundle.explaining import Attributions
from everloop.bundle.manifest import BundleError
from everloop.bundle.rows import InputError
from services.chassis.logs import Log
from services.serving.replica.errors import RETRY_AFTER_S, RequestError
from services.serving.replica.question import Question
from services.serving.replica.worker import Worker

MOST_IN_HAND = 8

log = Log(__name__)


class Explain(Protocol):
    """Attributes the scores of rows given as plain values by column."""

    def __call__(self, columns: Mapping[str, Sequence[Any]]) -> Attributions:
        """Explain."""


class Explaining:
    """Explains one version's scores, one question after the other, beside the event loop.

    A row takes a millisecond or several, a hundred times what its score does: more at once would only take the
    processor from who is scored. A call that never returns ends explanations of this version, and nothing else.
    """

    def __init__(self, explain: Explain, *, max_rows: int, timeout_s: float = 10.0) -> None:
        self._explain = explain
        self._max_rows = max_rows
        self._timeout_s = timeout_s
        self._in_hand = 0
        self._worker: Worker[Attributions | None] | None = None

    async def __call__(self, question: Question) -> Attributions:
        """Explain the rows of a question.

        Raises:
            RequestError: 413 for too many rows, 429 for too many questions, 400 if the version has nothing to be
                explained with or a value does not do, 500 if what was found does not add up, 504 if it takes too long.
        """
        if question.rows > self._max_rows:
            raise RequestError(413, f"{question.rows} rows; at most {self._max_rows} are explained at once")
        if self._in_hand >= MOST_IN_HAND:
            raise RequestError(429, "too many explanations are asked for", retry_after_s=RETRY_AFTER_S)
        if self._worker is None:
            self._worker = Worker("explaining")
        answer: asyncio.Future[Attributions] = asyncio.get_running_loop().create_future()
        self._in_hand += 1
        # Who left by the time it is their turn is not explained anything.
        self._worker.make(
            lambda: None if answer.done() else self._explain(question.columns),
            lambda outcome, _: self._returned(answer, outcome),
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                return await answer
        except TimeoutError as error:
            raise RequestError(504, "the explanation took too long") from error

    def _returned(self, answer: "asyncio.Future[Attributions]", outcome: Attributions | BaseException | None) -> None:
        self._in_hand -= 1
        if answer.done():
            return
        if isinstance(outcome, Attributions):
            answer.set_result(outcome)
        else:
            answer.set_exception(_refusal(outcome))


def _refusal(outcome: BaseException | None) -> RequestError:
    if isinstance(outcome, InputError):
        return RequestError(400, str(outcome))
    if isinstance(outcome, BundleError) and outcome.slug != "explanation_mismatch":
        return RequestError(400, f"this version can't explain its scores: {outcome}")
    if isinstance(outcome, BundleError):
        log.error("explanation does not add up", detail=outcome.detail)
        return RequestError(500, "the explanation does not add up to the score, so it is not given")
    log.error("explanation failed", error=type(outcome).__name__)
    return RequestError(500, "the explanation failed; the log of the replica tells why")


async def attributions(explain: Explaining | None, question: Question) -> Attributions:
    """Explain the rows of a question, by a version that may not be able to.

    Raises:
        RequestError: It can't, or won't now.
    """
    if explain is None:
        raise RequestError(400, "this version can't explain its scores")
    return await explain(question)
