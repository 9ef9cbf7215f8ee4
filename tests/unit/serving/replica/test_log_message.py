"""What the log writes is what the contract would write, to the byte."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import Envelope, seal
from contracts.serving import PredictionBatch, PredictionsServed
from services.serving.replica.log_message import Answered, LogMessage

NOON = datetime(2013, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)
ZONES = st.integers(-12 * 4, 12 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
EARLIEST, LATEST = datetime(1970, 1, 2), datetime(2100, 1, 1)  # noqa: DTZ001  # hypothesis adds the zone
TIMES = st.datetimes(EARLIEST, LATEST, timezones=ZONES)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)


@st.composite
def answers(draw: st.DrawFn) -> Answered:
    rows = draw(st.integers(1, 3))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=rows, max_size=rows))

    return Answered(
        version=draw(st.integers(1, 9)),
        prediction_ids=[f"abc-{row}" for row in range(rows)],
        event_times=column(TIMES),
        served_at=draw(TIMES),
        inputs={name: column(VALUES) for name in draw(st.sets(st.sampled_from("abc"), min_size=1))},
        scores=column(st.floats(allow_nan=False, allow_infinity=False)),
        traceparent=draw(st.none() | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
        size_bytes=1,
    )


@given(batches=st.lists(answers(), min_size=1, max_size=3))
def test_every_message_is_the_contracts(batches: list[Answered]) -> None:
    message = LogMessage("flights", "replica-1", batches)

    body = message.to_bytes("id-1", NOON)

    by_contract = PredictionsServed(
        pipeline="flights",
        replica="replica-1",
        batches=tuple(
            PredictionBatch(
                version=batch.version,
                prediction_ids=tuple(batch.prediction_ids),
                event_times=tuple(batch.event_times),
                served_at=batch.served_at,
                inputs={name: tuple(values) for name, values in batch.inputs.items()},
                scores=tuple(batch.scores),
                traceparent=batch.traceparent,
            )
            for batch in batches
        ),
    )
    sealed = seal(by_contract, message_id="id-1", source="serving", time=NOON, traceparent=message.traceparent)
    assert body == sealed.to_bytes()
    assert PredictionsServed.model_validate(Envelope.model_validate_json(body).data) == by_contract
    assert message.address == by_contract.address()
