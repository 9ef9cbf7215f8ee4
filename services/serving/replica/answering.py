"""The one way from checked rows to an answer, whoever asked: HTTP, gRPC or a message."""

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray
from opentelemetry.trace import Span, SpanKind

from contracts import telemetry as names
from contracts.message import utc_now
from everloop.bundle.rows import InputError
from services.chassis.telemetry import Telemetry, context_from, context_of
from services.serving.replica.errors import RequestError
from services.serving.replica.prediction_log import Answered, PredictionLog
from services.serving.replica.question import Answer, Question
from services.serving.replica.shelf import LoadedVersion, Shelf

RETRY_AFTER_S = 1


class Answering:
    """Answers questions from the versions on a shelf, and puts every answer in the prediction log."""

    def __init__(
        self,
        model: str,
        shelf: Shelf,
        log: PredictionLog,
        telemetry: Telemetry,
        *,
        inline_rows: int,
        trace_ratio: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.model = model
        self.shelf = shelf
        self._log = log
        self._telemetry = telemetry
        self._inline_rows = inline_rows
        self._trace_ratio = trace_ratio
        self._clock = clock

    def choose(self, version: str | None = None, *, routing_key: str | None = None) -> LoadedVersion:
        """Choose who answers a request.

        Args:
            version: The number the caller asked for; unset: the version that answers now.
            routing_key: Requests of one key are answered by one version while traffic is split.

        Raises:
            RequestError: 404 if that version is not held here, 503 if none answers yet.
        """
        if version is None:
            if self.shelf.answering is None:
                raise RequestError(503, f"no version of {self.model} answers yet", retry_after_s=RETRY_AFTER_S)
            return self.shelf.answering
        found = self.shelf.version(int(version)) if version.isascii() and version.isdigit() else None
        if found is None:
            raise RequestError(404, f"version {version} of {self.model} is not held here")
        return found

    async def answer(
        self,
        chosen: LoadedVersion,
        question: Question,
        *,
        traceparent: str | None = None,
        request_id: UUID | None = None,
    ) -> Answer:
        """Score rows.

        Args:
            chosen: The version, from `choose`.
            question: Rows, read by the version's own reader.
            traceparent: The caller's trace context.
            request_id: Decides the prediction ids, so that a request that comes twice is one prediction; unset: new.

        Raises:
            RequestError: 400 if a value does not do, 500 if the model gives no number.
        """
        with self._span(traceparent, chosen.version, question.rows) as span:
            scores = (await self._scores(chosen, question)).tolist()
            served_at = self._clock()
            prefix = (request_id or uuid4()).hex
            prediction_ids = [f"{prefix}-{row}" for row in range(question.rows)]
            self._log.add(
                Answered(
                    version=chosen.version,
                    prediction_ids=prediction_ids,
                    event_times=question.event_times or [served_at] * question.rows,
                    served_at=served_at,
                    inputs=question.columns,
                    scores=scores,
                    traceparent=context_of(span) if span else None,
                    size_bytes=question.size_bytes,
                )
            )
        return Answer(chosen.version, scores, prediction_ids, served_at)

    async def _scores(self, chosen: LoadedVersion, question: Question) -> NDArray[np.float64]:
        try:
            if question.rows <= self._inline_rows:
                scores = chosen.predict(question.columns)
            else:
                scores = await asyncio.to_thread(chosen.predict, question.columns)
        except InputError as error:
            raise RequestError(400, str(error)) from error
        if not np.isfinite(scores).all():
            raise RequestError(500, f"version {chosen.version} gave a score that is no number")
        return scores

    @contextmanager
    def _span(self, traceparent: str | None, version: int, rows: int) -> Iterator[Span | None]:
        if not traceparent and random.random() >= self._trace_ratio:  # noqa: S311  # sampling, not secrets
            yield None
            return
        attributes: dict[str, str | int] = {
            names.PIPELINE: self.model,
            names.MODEL_VERSION: version,
            names.PREDICTION_ROWS: rows,
        }
        with self._telemetry.tracer.start_as_current_span(
            "predict", context_from(traceparent), SpanKind.SERVER, attributes
        ) as span:
            yield span
