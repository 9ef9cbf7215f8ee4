"""What is asked over the broker, and in which order it is said."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.inference import MOST_ROWS, RequestInference
from services.chassis.delivery import Arrival, Delivery, delivery_of
from services.chassis.errors import TransientError
from services.chassis.logs import JsonFormatter
from services.chassis.replies import ERROR_CODE
from services.chassis.telemetry import Telemetry
from services.serving.replica.answering import Answering
from services.serving.replica.messages.replying import Replying, failure
from services.serving.replica.messages.requests import Requests
from services.serving.replica.messages.rows import _parts
from services.serving.replica.shelf import Shelf
from tests.unit.serving.replica.test_shelf import Loader, desired


def asking(**asked: Any) -> RequestInference:
    return RequestInference.model_validate({"pipeline": "flights", **asked})


def test_rows_and_columns_ask_the_same() -> None:
    rows = ({"x": 1.0, "carrier": None}, {"x": 2.0, "carrier": "UA"})

    assert asking(columns={"x": (1.0, 2.0), "carrier": (None, "UA")}).by_row() == asking(rows=rows).by_row() == rows


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"rows": ({"x": 1},), "columns": {"x": (1,)}},
        {"columns": {"x": (1, 2), "y": (1,)}},
        {"columns": {"x": ()}},
        {"rows": ({"x": 1},) * (MOST_ROWS + 1)},
        {"columns": {"x": (1,) * (MOST_ROWS + 1)}},
    ],
)
def test_what_is_no_question_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        asking(**asked)


async def _settle(word: bytes) -> None: ...


def row(sequence: int, key: str) -> Delivery:
    return Delivery(f"rows.flights.{key}", b"", {}, "ROWS", "c", sequence, 1, datetime.now(UTC), _settle)


@given(st.lists(st.sampled_from("abc")))
def test_each_key_s_rows_stay_together_and_in_order(keys: list[str]) -> None:
    rows = [row(place, key) for place, key in enumerate(keys)]

    parts = _parts(rows, by_key=True)

    assert sorted(each.sequence for part in parts for each in part) == list(range(len(keys)))
    assert len({part[0].subject for part in parts}) == len(parts) == len(set(keys))
    for part in parts:
        assert len({each.subject for each in part}) == 1
        assert [each.sequence for each in part] == sorted(each.sequence for each in part)


@pytest.mark.parametrize(
    "reply", ["$JS.ACK.ROWS.c.2.7.3.1767323045000001000.5", "$JS.ACK._.hash.ROWS.c.2.7.3.1767323045000001000.5.token"]
)
def test_place_of_a_message_is_read_from_its_reply_subject(reply: str) -> None:
    delivery = delivery_of(Arrival("rows.flights.a", reply, {}, b""), _settle)

    assert (delivery.stream, delivery.consumer, delivery.deliveries) == ("ROWS", "c", 2)
    assert (delivery.sequence, delivery.pending) == (7, 5)
    assert delivery.stored_at == datetime(2026, 1, 2, 3, 4, 5, 1, tzinfo=UTC)


def test_error_in_any_language_fits_into_a_header() -> None:
    reply = failure(429, "zu viele gleichzeitig: ü")

    assert reply.failed
    assert (reply.headers[ERROR_CODE], reply.headers["retry-after"]) == ("429", "1")
    assert reply.headers["Nats-Service-Error"].isascii()
    assert "ü".encode() in reply.body


async def test_a_bug_is_told_by_its_place_and_not_by_what_was_asked(caplog: pytest.LogCaptureFixture) -> None:
    answering = Answering("flights", Shelf(Loader()), None, Telemetry("serving"), trace_ratio=0)  # type: ignore[arg-type]
    await answering.shelf.follow(desired(1, answering=1))
    replying = Replying(
        None,  # type: ignore[arg-type]  # nothing is sent
        answering,
        replica="one",
        at_once=1,
        max_request_bytes=1000,
    )
    answering.choose = broken  # type: ignore[method-assign]

    reply = await replying._answer(Arrival("inference.flights.predict", "reply", {}, b'{"x": 1}'))

    assert reply.headers[ERROR_CODE] == "500"
    assert b"secret" not in reply.body
    logged = "".join(JsonFormatter("serving").format(record) for record in caplog.records)
    assert "broken" in logged
    assert "secret" not in logged


def broken(version: str | None = None, *, routing_key: str | None = None) -> Any:
    raise ValueError("secret of whoever asked")


async def test_a_broker_that_does_not_hear_takes_no_replica_with_it() -> None:
    requests = Requests(None, Asked("flights"), None, None, at_once=1)  # type: ignore[arg-type]  # not reached
    await requests._slots.acquire()

    async def unheard(word: bytes) -> None:
        raise TransientError("bus_unavailable")

    delivery = replace(row(1, "a"), body=b"{}", answer=unheard)
    await requests._work(delivery, asyncio.Event())

    assert not requests._slots.locked()


@dataclass(frozen=True)
class Asked:
    """Names a model."""

    model: str
