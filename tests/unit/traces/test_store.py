"""The span store gives back what it was given, and finds it by what people have at hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts import telemetry
from everloop.traces.finding import NoTraceError, find_trace_id, read_trace, trace_of
from everloop.traces.span import Link
from everloop.traces.store import MESSAGE_ID, SpanStore
from tests.unit.traces.spans import OTHER, SECOND, TRACE, span, span_id


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spans.sqlite"


@pytest.fixture
def store(file: Path) -> Iterator[SpanStore]:
    store = SpanStore(file)
    yield store
    store.close()


def test_a_span_comes_back_as_it_was(store: SpanStore) -> None:
    kept = span("a", attributes={"rows": 3, "name": "x", "ok": True}, links=(Link(OTHER, span_id("z")),), error="no")

    store.add([kept])

    assert store.trace(TRACE) == [kept]


def test_a_span_sent_twice_is_kept_once(store: SpanStore) -> None:
    store.add([span("a")])
    store.add([span("a"), span("b", start_s=1)])

    assert [one.name for one in store.trace(TRACE)] == ["a", "b"]


def test_a_trace_is_found_by_run_message_and_beginning(store: SpanStore, file: Path) -> None:
    store.add([span("a", attributes={telemetry.RUN_ID: "run-1"}), span("b", attributes={MESSAGE_ID: "message-1"})])

    assert find_trace_id(file, "run-1") == TRACE
    assert find_trace_id(file, "message-1") == TRACE
    assert find_trace_id(file, TRACE[:8]) == TRACE
    assert find_trace_id(file, TRACE) == TRACE
    assert find_trace_id(file, "a-prediction") is None


def test_of_several_traces_of_a_run_the_one_it_began_in_is_found(store: SpanStore, file: Path) -> None:
    store.add([span("later", start_s=5, trace_id=OTHER, attributes={telemetry.RUN_ID: "run-1"})])
    store.add([span("first", start_s=1, attributes={telemetry.RUN_ID: "run-1"})])

    assert find_trace_id(file, "run-1") == TRACE


def test_what_followed_in_another_trace_belongs_to_the_answer(store: SpanStore, file: Path) -> None:
    follower = span("f", trace_id=OTHER, links=(Link(TRACE, span_id("a")),))
    store.add([span("a"), follower])

    assert read_trace(file, TRACE).followers == [follower]


def test_an_unknown_trace_is_said_to_be_unknown(store: SpanStore, file: Path, tmp_path: Path) -> None:
    with pytest.raises(NoTraceError, match=OTHER):
        read_trace(file, OTHER)
    with pytest.raises(NoTraceError, match="no spans"):
        read_trace(tmp_path / "nowhere.sqlite", TRACE)


def test_old_spans_are_forgotten_with_everything_about_them(store: SpanStore, file: Path) -> None:
    store.add([span("old", start_s=1, trace_id=OTHER, attributes={telemetry.RUN_ID: "run-1"}), span("new", start_s=9)])

    assert store.forget_before(5 * SECOND) == 1

    assert store.trace(OTHER) == []
    assert find_trace_id(file, "run-1") is None
    assert store.trace(TRACE)


def test_the_trace_of_a_traceparent() -> None:
    assert trace_of(f"00-{TRACE}-{span_id('a')}-01") == TRACE
    assert trace_of(None) is None
    assert trace_of("nonsense") is None
