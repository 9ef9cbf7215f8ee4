"""The log takes answers without waiting, and what it loses it counts."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.envelope import Envelope
from contracts.serving import PredictionsServed
from services.chassis.errors import MalformedError, TransientError
from services.serving.domain import PredictionCounts
from services.serving.replica.log_message import Answered, LogMessage
from services.serving.replica.prediction_log import LARGEST_MESSAGE_BYTES, PredictionLog
from tests.fixtures.waiting import eventually

NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)


class Bus:
    """Takes messages, once it is there."""

    def __init__(self, *, fails: int = 0) -> None:
        self.fails = fails
        self.tried: list[str] = []
        self.taken: list[PredictionsServed] = []

    async def __call__(self, message: LogMessage, message_id: str) -> None:
        self.tried.append(message_id)
        if self.fails > 0:
            self.fails -= 1
            raise TransientError("bus_unavailable")
        envelope = Envelope.model_validate_json(message.to_bytes(message_id, NOON))
        self.taken.append(PredictionsServed.model_validate(envelope.data))

    @property
    def ids(self) -> list[str]:
        return [one for message in self.taken for batch in message.batches for one in batch.prediction_ids]


async def test_answers_of_a_moment_share_a_message() -> None:
    bus = Bus()
    log = make(bus)
    for number in range(3):
        log.add(answered(f"r{number}", rows=2))

    await log.drain(1)

    (message,) = bus.taken
    assert [len(batch.prediction_ids) for batch in message.batches] == [2, 2, 2]
    assert log.counts == PredictionCounts(logged=6)


async def test_running_log_publishes_by_itself() -> None:
    bus = Bus()
    log = make(bus)
    running = asyncio.create_task(log.run())
    log.add(answered("r", rows=1))

    await eventually(lambda: bus.taken)

    running.cancel()
    assert bus.ids == ["r-0"]


async def test_failed_publication_is_repeated_under_the_same_id() -> None:
    bus = Bus(fails=2)
    log = make(bus)
    log.add(answered("r", rows=1))

    await log.drain(5)

    assert len(set(bus.tried)) == 1
    assert len(bus.tried) == 3
    assert log.counts == PredictionCounts(logged=1)


async def test_full_buffer_loses_the_new_and_counts_it() -> None:
    bus = Bus()
    log = make(bus, capacity_rows=3)
    log.add(answered("kept", rows=3))
    log.add(answered("lost", rows=2))

    assert log.counts == PredictionCounts(waiting=3, lost=2)
    await log.drain(1)
    assert log.counts == PredictionCounts(logged=3, lost=2)


async def test_end_without_a_bus_counts_what_is_left_as_lost() -> None:
    log = make(Bus(fails=10**9))
    log.add(answered("r", rows=4))

    await log.drain(0.05)

    assert log.counts == PredictionCounts(lost=4)


async def test_message_the_bus_refuses_is_lost_and_does_not_hold_up_the_rest() -> None:
    class Picky(Bus):
        async def __call__(self, message: LogMessage, message_id: str) -> None:
            if "bad-0" in message.batches[0].prediction_ids:
                raise MalformedError("message_too_large")
            await super().__call__(message, message_id)

    bus = Picky()
    log = make(bus)
    log.add(answered("bad", rows=1, size_bytes=LARGEST_MESSAGE_BYTES))
    log.add(answered("good", rows=1))

    await log.drain(1)

    assert bus.ids == ["good-0"]
    assert log.counts == PredictionCounts(logged=1, lost=1)


@pytest.mark.parametrize(("rows", "size_bytes"), [(5000, 1000), (100, 4 * LARGEST_MESSAGE_BYTES)])
async def test_large_request_is_cut_into_messages_the_bus_takes(rows: int, size_bytes: int) -> None:
    bus = Bus()
    log = make(bus)
    log.add(answered("r", rows=rows, size_bytes=size_bytes))

    await log.drain(1)

    assert len(bus.taken) > 1
    assert bus.ids == [f"r-{row}" for row in range(rows)]


async def test_few_large_rows_fill_the_buffer_too() -> None:
    log = make(Bus(), capacity_bytes=100_000)
    log.add(answered("kept", rows=1, size_bytes=90_000))
    log.add(answered("lost", rows=1, size_bytes=20_000))

    assert log.counts == PredictionCounts(waiting=1, lost=1)

    await log.drain(1)
    log.add(answered("later", rows=1, size_bytes=20_000))
    assert log.counts == PredictionCounts(logged=1, waiting=1, lost=1)


async def test_message_that_came_out_larger_than_estimated_is_halved_until_it_fits() -> None:
    class Narrow(Bus):
        async def __call__(self, message: LogMessage, message_id: str) -> None:
            if message.rows > 2:
                raise MalformedError("message_too_large")
            await super().__call__(message, message_id)

    bus = Narrow()
    log = make(bus)
    log.add(answered("a", rows=5))
    log.add(answered("b", rows=2))

    await log.drain(1)

    assert bus.ids == [*(f"a-{row}" for row in range(5)), "b-0", "b-1"]
    assert log.counts == PredictionCounts(logged=7)


def make(bus: Any, *, capacity_rows: int = 10_000, **capacity: int) -> PredictionLog:
    return PredictionLog(
        bus, pipeline="flights", replica="one", capacity_rows=capacity_rows, flush_s=0.01, retry_s=0.01, **capacity
    )


def answered(request: str, *, rows: int, size_bytes: int = 100) -> Answered:
    return Answered(
        version=1,
        prediction_ids=[f"{request}-{row}" for row in range(rows)],
        event_times=[NOON] * rows,
        served_at=NOON,
        inputs={"x": [1.0] * rows},
        scores=[0.5] * rows,
        traceparent=None,
        size_bytes=size_bytes,
    )
