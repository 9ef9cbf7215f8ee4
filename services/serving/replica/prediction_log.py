"""The prediction log of one replica: every answer, published in batches behind the request's back.

Answers wait in a bounded buffer. What does not fit is counted as lost, said in the log and in the replica's
report; an answer never waits for the log. An answer that was given less than a flush before a kill -9 is lost
without a count: there is no one left to count it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from time import monotonic
from uuid import uuid4

from services.chassis.errors import EverloopError, MalformedError, TransientError
from services.chassis.logs import Log
from services.serving.domain import PredictionCounts
from services.serving.replica.log_message import Answered, LogMessage

LARGEST_MESSAGE_BYTES = 256 * 1024
LARGEST_BATCH_ROWS = 1000
ROW_OVERHEAD_BYTES = 100
"""Id, event time and score of a row in JSON."""
COMPLAIN_EVERY_S = 5.0

log = Log(__name__)

Publish = Callable[[LogMessage, str], Awaitable[None]]
"""Publish under an id that stays the same when it is tried again; raises TransientError to be asked again."""


class PredictionLog:
    """Takes answers at once and publishes them soon."""

    def __init__(
        self,
        publish: Publish,
        *,
        pipeline: str,
        replica: str,
        capacity_rows: int,
        capacity_bytes: int = 128 * 1024 * 1024,
        flush_s: float,
        retry_s: float = 0.5,
    ) -> None:
        """Start empty.

        Args:
            publish: Puts a message on the bus.
            pipeline: Name of the model.
            replica: Name of this replica.
            capacity_rows: Most rows waiting; those beyond are lost.
            capacity_bytes: Of the messages they will make: rows can hold texts of any length.
            flush_s: How long an answer may wait for others to share its message.
            retry_s: Pause after a failed publication.
        """
        self._publish = publish
        self._pipeline = pipeline
        self._replica = replica
        self._capacity_rows = capacity_rows
        self._capacity_bytes = capacity_bytes
        self._flush_s = flush_s
        self._retry_s = retry_s
        self._waiting: deque[Answered] = deque()
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._logged_rows = 0
        self._lost_rows = 0
        self._complained_at = float("-inf")
        self._some = asyncio.Event()
        self._flushing = asyncio.Lock()

    @property
    def counts(self) -> PredictionCounts:
        """What became of the rows so far."""
        return PredictionCounts(self._logged_rows, self._waiting_rows, self._lost_rows)

    def add(self, answered: Answered) -> None:
        """Take an answer; never waits. A full buffer loses the new answer, not the old ones."""
        rows, size_bytes = len(answered.prediction_ids), _published_bytes(answered)
        full = (
            self._waiting_rows + rows > self._capacity_rows or self._waiting_bytes + size_bytes > self._capacity_bytes
        )
        if full:
            self._lose(rows, "the buffer is full")
            return
        self._waiting.append(answered)
        self._waiting_rows += rows
        self._waiting_bytes += size_bytes
        self._some.set()

    async def run(self) -> None:
        """Publish what comes, until cancelled."""
        while True:
            await self._some.wait()
            await asyncio.sleep(self._flush_s)
            await self._flush()

    async def drain(self, timeout_s: float) -> None:
        """Publish what is left, before ``run`` is cancelled; what can't be in time is lost and said so."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._flush()
        except TimeoutError:
            self._lose(self._waiting_rows, "the replica ends")
            self._waiting.clear()
            self._waiting_rows = self._waiting_bytes = 0

    async def _flush(self) -> None:
        async with self._flushing:
            self._some.clear()
            while self._waiting:
                await self._send_some()

    async def _send_some(self) -> None:
        chosen, size_bytes = [self._waiting[0]], _published_bytes(self._waiting[0])
        # One message holds whole requests; a request too large for one is cut into several below.
        for answered in islice(self._waiting, 1, None):
            size_bytes += _published_bytes(answered)
            if size_bytes > LARGEST_MESSAGE_BYTES:
                break
            chosen.append(answered)
        for batches in _messages(chosen):
            await self._deliver(batches)
        for answered in chosen:
            self._waiting.popleft()
            self._waiting_rows -= len(answered.prediction_ids)
            self._waiting_bytes -= _published_bytes(answered)

    async def _deliver(self, batches: Sequence[Answered]) -> None:
        message = LogMessage(self._pipeline, self._replica, batches)
        message_id, rows = str(uuid4()), message.rows
        while True:
            try:
                await self._publish(message, message_id)
            except TransientError as error:
                self._complain("prediction log waits for the bus", waiting_rows=self._waiting_rows, detail=str(error))
                await asyncio.sleep(self._retry_s)
            except EverloopError as error:
                # How large rows are is estimated, from how they came.
                if not isinstance(error, MalformedError) or rows == 1:
                    self._lose(rows, str(error))
                    return
                for half in _halves(batches):
                    await self._deliver(half)
                return
            else:
                self._logged_rows += rows
                return

    def _lose(self, rows: int, why: str) -> None:
        self._lost_rows += rows
        if rows:
            self._complain("predictions are lost to the log", rows=rows, lost_rows=self._lost_rows, reason=why)

    def _complain(self, sentence: str, **fields: object) -> None:
        # Under load every request would say the same.
        if monotonic() - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = monotonic()
            log.warning(sentence, **fields)


def _published_bytes(answered: Answered) -> int:
    return answered.size_bytes + ROW_OVERHEAD_BYTES * len(answered.prediction_ids)


def _messages(chosen: Sequence[Answered]) -> list[Sequence[Answered]]:
    if len(chosen) > 1:
        return [[part for answered in chosen for part in _cut(answered)]]
    return [(part,) for part in _cut(chosen[0])]


def _cut(answered: Answered) -> Sequence[Answered]:
    rows = len(answered.prediction_ids)
    row_bytes = max(1, _published_bytes(answered) // rows)
    step = max(1, min(LARGEST_BATCH_ROWS, LARGEST_MESSAGE_BYTES // row_bytes))
    if rows <= step:
        return (answered,)
    return [answered.cut(start, start + step) for start in range(0, rows, step)]


def _halves(batches: Sequence[Answered]) -> tuple[Sequence[Answered], Sequence[Answered]]:
    if len(batches) > 1:
        middle = len(batches) // 2
        return batches[:middle], batches[middle:]
    (only,) = batches
    rows = len(only.prediction_ids)
    return [only.cut(0, rows // 2)], [only.cut(rows // 2, rows)]
