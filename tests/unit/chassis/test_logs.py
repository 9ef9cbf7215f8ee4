"""Log lines: a sentence, fields, and the trace."""

import json
import logging

import pytest
from opentelemetry.sdk.trace import TracerProvider

from services.chassis.logs import JsonFormatter, Log, TextFormatter


def test_json_line_has_sentence_fields_and_trace(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with TracerProvider().get_tracer("test").start_as_current_span("span") as span:
        Log("test").info("version kept", version=3)
        line = json.loads(JsonFormatter("registry").format(caplog.records[0]))

    assert line.pop("time")
    assert line == {
        "level": "info",
        "service": "registry",
        "logger": "test",
        "message": "version kept",
        "version": 3,
        "trace_id": f"{span.get_span_context().trace_id:032x}",
    }


def test_text_line_ends_with_the_stack(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ZeroDivisionError("oh")
    except ZeroDivisionError:
        Log("test").exception("handler failed", message_id="one")

    line = TextFormatter("registry").format(caplog.records[0])

    assert "error   registry   handler failed message_id=one\nTraceback" in line
    assert line.endswith("ZeroDivisionError: oh")
