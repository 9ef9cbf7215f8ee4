"""The one way from checked rows to an answer, whoever asked: HTTP, gRPC or a message."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from uuid import UUID, uuid4

from opentelemetry.trace import Span, SpanKind

from contracts import telemetry as names
from contracts.message import utc_now
from services.chassis.telemetry import Telemetry, context_from, context_of
from services.serving.desired import ReplicaLoad
from services.serving.replica.asking import Asking
from services.serving.replica.batching import Limits
from services.serving.replica.capacity import Capacity
from services.serving.replica.errors import RETRY_AFTER_S, RequestError, quoted
from services.serving.replica.lineup import LoadedVersion
from services.serving.replica.log_message import Answered
from services.serving.replica.prediction_log import PredictionLog
from services.serving.replica.question import Answer, Question
from services.serving.replica.reading import Reader
from services.serving.replica.shelf import Shelf

NO_LIMITS = Limits()
LONGEST_NUMBER = 18
"""Digits of a version."""


class Answering:
    """Answers questions from the versions on a shelf, and puts every answer in the prediction log."""

    def __init__(
        self,
        model: str,
        shelf: Shelf,
        log: PredictionLog,
        telemetry: Telemetry,
        *,
        trace_ratio: float,
        limits: Limits = NO_LIMITS,
        max_waiting_rows: int = 100_000,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.model = model
        self.shelf = shelf
        self._capacity = Capacity(max_waiting_rows)
        self._asking = Asking(shelf, limits)
        self._log = log
        self._telemetry = telemetry
        self._trace_ratio = trace_ratio
        self._clock = clock

    def choose(self, version: str | None = None, *, routing_key: str | None = None) -> LoadedVersion:
        """Choose who answers a request.

        Args:
            version: The number the caller asked for; unset: the version that answers now, or during a rollout the
                candidate for some.
            routing_key: Requests of one key are answered by one version while traffic is split.

        Raises:
            RequestError: 404 if that version is not held here, 503 if none answers yet.
        """
        if version is None:
            if (lineup := self.shelf.lineup) is None:
                raise RequestError(503, f"no version of {self.model} answers yet", retry_after_s=RETRY_AFTER_S)
            return lineup.choose(routing_key, random.random())  # noqa: S311  # sampling, not secrets
        is_number = version.isascii() and version.isdigit() and len(version) <= LONGEST_NUMBER
        found = self.shelf.version(int(version)) if is_number else None
        if found is None:
            raise RequestError(
                404, f"version {version if is_number else quoted(version)} of {self.model} is not held here"
            )
        return found

    def read(self, chosen: LoadedVersion, read: Callable[[Reader], Question]) -> Question:
        """Read what a version is asked, by its own reader.

        A candidate that refuses what the version that answers would take has failed whoever asked.

        Raises:
            RequestError: The version does not take it.
        """
        try:
            return read(chosen.reader)
        except RequestError:
            answering = self.shelf.answering
            if chosen.tally and answering and answering.version != chosen.version:
                with suppress(RequestError):
                    read(answering.reader)
                    chosen.tally.failed()
            raise

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
            RequestError: 400 if a value does not do, 429 if too many rows wait, 500 if the model fails, 503 or 504 if
                it takes too long.
        """
        with self._capacity.taken(question.rows), self._span(traceparent, chosen.version, question.rows) as span:
            scores = await self._asking.scores(chosen, question)
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

    def hung_s(self) -> float:
        """Tell for how long a call of the version that answers has not returned though it was given up; 0: none."""
        return self._asking.hung_s()

    def load(self) -> ReplicaLoad:
        """Count what is and was done."""
        asked, capacity = self._asking, self._capacity
        return ReplicaLoad(
            requests=asked.answered,
            failed=asked.failed,
            refused=capacity.refused,
            calls=asked.calls,
            requests_now=capacity.questions,
            rows_now=capacity.rows,
            copies=asked.shadows.asked,
            copies_dropped=asked.shadows.dropped,
        )

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
