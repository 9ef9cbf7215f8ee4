"""Envelopes are CloudEvents, as the official SDK reads and writes them; bare JSON is given one."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from contracts.catalog import decode
from contracts.envelope import CONTENT_TYPE, MAX_BODY_BYTES, Envelope, UnreadableMessageError, read_envelope, seal
from contracts.message import Message
from contracts.serving import PredictionBatch, PredictionsServed
from contracts.training import StartTrainingRun, TrainingRunProgressed
from tests.contracts import examples

START = f"{StartTrainingRun.subject}.{examples.PIPELINE}"
PROGRESSED = f"{TrainingRunProgressed.subject}.{examples.PIPELINE}"


def _read(body: bytes, subject: str = START, headers: dict[str, str] | None = None) -> Envelope:
    return read_envelope(
        body, subject=subject, headers=headers or {}, fallback_id="COMMANDS:7", received_at=examples.NOON
    )


def _sealed(message: Message, **changes: Any) -> Envelope:
    return seal(message, **({"message_id": "m-1", "source": "training", "time": examples.NOON} | changes))


@pytest.mark.parametrize("message", examples.every_message(), ids=lambda message: type(message).__name__)
def test_every_message_survives_the_wire(message: Message) -> None:
    body = _sealed(message).to_bytes()

    assert decode(_read(body, message.address(), {"Content-Type": CONTENT_TYPE})) == message


@pytest.mark.parametrize("message", examples.every_message(), ids=lambda message: type(message).__name__)
def test_the_official_sdk_reads_what_we_write(message: Message) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    envelope = _sealed(message, cause=_sealed(examples.training_run_succeeded(), message_id="m-0"), traceparent=trace)

    event = JSONFormat().read(CloudEvent, envelope.to_bytes())

    assert (event.get_id(), event.get_type(), event.get_subject()) == ("m-1", message.subject, examples.PIPELINE)
    assert event.get_time() == examples.NOON
    assert event.get_extension("traceparent") == trace
    assert event.get_extension("correlationid") == "m-0"
    assert event.get_extension("causationid") == "m-0"
    assert event.get_data() == envelope.data


@given(
    message_id=st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=200),
    time=st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.just(UTC)),  # noqa: DTZ001
    reason=st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=1000),
)
def test_we_read_what_the_official_sdk_writes(message_id: str, time: datetime, reason: str) -> None:
    attributes = {
        "id": message_id,
        "source": "/elsewhere",
        "type": StartTrainingRun.subject,
        "subject": examples.PIPELINE,
        "time": time,
        "datacontenttype": "application/json",
        "colour": "blue",
    }
    body = JSONFormat().write(CloudEvent(attributes, {"reason": reason}))

    envelope = _read(body, headers={"Content-Type": f"{CONTENT_TYPE}; charset=utf-8"})

    assert (envelope.id, envelope.source, envelope.time) == (message_id, "/elsewhere", time)
    assert decode(envelope) == StartTrainingRun(pipeline=examples.PIPELINE, reason=reason)


SCALARS = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(parameters=st.dictionaries(st.text(min_size=1), SCALARS), fraction=st.floats(0, 1))
def test_numbers_and_words_stay_what_they_were(parameters: dict[str, Any], fraction: float) -> None:
    start = StartTrainingRun(pipeline=examples.PIPELINE, parameters=parameters)
    progressed = TrainingRunProgressed(
        pipeline=examples.PIPELINE, run_id=examples.RUN, stage="fit", fraction=fraction, metrics={"auc": fraction}
    )

    read = decode(_read(_sealed(start).to_bytes()))

    assert read == start
    assert [type(value) for value in read.parameters.values()] == [type(value) for value in parameters.values()]  # type: ignore[attr-defined]
    assert decode(_read(_sealed(progressed).to_bytes(), PROGRESSED)) == progressed


@given(column=st.lists(st.none() | SCALARS, min_size=1, max_size=20))
def test_missing_inputs_stay_missing(column: list[Any]) -> None:
    times = (examples.NOON,) * len(column)
    batch = PredictionBatch(
        version=1,
        prediction_ids=tuple(str(row) for row in range(len(column))),
        event_times=times,
        served_at=examples.NOON,
        inputs={"distance": tuple(column)},
        scores=(0.5,) * len(column),
    )
    served = PredictionsServed(pipeline=examples.PIPELINE, replica="r", batches=(batch,))

    assert decode(_read(_sealed(served).to_bytes(), served.address())) == served


def test_bare_json_takes_type_and_pipeline_from_the_subject() -> None:
    envelope = _read(b'{"reason": "a new feature"}')

    assert decode(envelope) == StartTrainingRun(pipeline=examples.PIPELINE, reason="a new feature")
    assert envelope.id == "COMMANDS:7"
    assert envelope.time == examples.NOON


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}"])
def test_an_empty_body_is_a_command_with_its_defaults(body: bytes) -> None:
    assert decode(_read(body)) == StartTrainingRun(pipeline=examples.PIPELINE)


def test_bare_json_keeps_its_message_id_and_its_trace() -> None:
    envelope = _read(b"{}", headers={"Nats-Msg-Id": "mine", "traceparent": "00-1-2-01"})

    assert (envelope.id, envelope.correlationid, envelope.traceparent) == ("mine", "mine", "00-1-2-01")


def _envelope_with(**changes: Any) -> bytes:
    content = json.loads(_sealed(StartTrainingRun(pipeline=examples.PIPELINE)).to_bytes())
    return json.dumps({**content, **changes}).encode()


@pytest.mark.parametrize(
    ("body", "subject", "slug"),
    [
        (b"{", START, "not_json"),
        (b"\xff\xfe", START, "not_json"),
        (b"[" * 100_000, START, "not_json"),
        (b"[1]", START, "not_an_object"),
        (b" " * (MAX_BODY_BYTES + 1), START, "message_too_large"),
        (_envelope_with(specversion="0.3"), START, "broken_envelope"),
        (_envelope_with(time="yesterday"), START, "broken_envelope"),
        (_envelope_with(data=[1]), START, "broken_envelope"),
        (_envelope_with(), PROGRESSED, "wrong_type"),
        (b"{}", "commands.training.run.start.v9.flight_delays", "unknown_type"),
        (b"{}", "commands.training.run.strat.v1.flight_delays", "unknown_type"),
        (b'{"pipeline": "other"}', START, "wrong_pipeline"),
        (_envelope_with(subject="other"), START, "wrong_pipeline"),
        (b'{"resaon": "typo"}', START, "schema_violation"),
        (b'{"seed": -1}', START, "schema_violation"),
        (b'{"reason": 7}', START, "schema_violation"),
        (b"{}", f"{StartTrainingRun.subject}.Not-A-Name", "schema_violation"),
        (b'{"stage": "fit"}', PROGRESSED, "schema_violation"),
    ],
)
def test_unreadable_bytes_say_what_is_wrong(body: bytes, subject: str, slug: str) -> None:
    with pytest.raises(UnreadableMessageError) as raised:
        decode(_read(body, subject))

    assert raised.value.slug == slug
    assert raised.value.detail


def test_a_wrong_version_is_told_the_versions_there_are() -> None:
    with pytest.raises(UnreadableMessageError, match=r"known versions: commands\.training\.run\.start\.v1"):
        decode(_read(b"{}", "commands.training.run.start.v2.flight_delays"))


def test_readers_of_events_ignore_what_they_do_not_know() -> None:
    event = examples.training_run_succeeded()
    envelope = _sealed(event)
    newer = envelope.model_copy(update={"data": {**envelope.data, "carbon_g": 12}})

    assert decode(newer) == event
