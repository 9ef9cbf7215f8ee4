"""Traces are drawn as the trees they are."""

from rich.console import Console

from everloop.traces.drawing import draw, seconds
from everloop.traces.span import Link
from everloop.traces.tree import grow, spans_by_service
from tests.unit.traces.spans import OTHER, TRACE, span, span_id


def _drawn(*spans, followers=()) -> list[str]:  # type: ignore[no-untyped-def]
    console = Console(width=120, color_system=None, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(draw(grow(spans, followers), "trace"))
    return capture.get().rstrip().splitlines()


def test_children_stand_under_their_parents_earliest_first() -> None:
    lines = _drawn(
        span("second", start_s=3, parent="root", service="registry"),
        span("first", start_s=1, lasts_s=0.25, parent="root"),
        span("root", lasts_s=10),
        span("inner", start_s=1.1, parent="first"),
    )

    assert lines == [
        "trace",
        "└── training  root  10.00 s at +0 µs",
        "    ├── training  first  250 ms at +1.00 s",
        "    │   └── training  inner  1.00 s at +1.10 s",
        "    └── registry  second  1.00 s at +3.00 s",
    ]


def test_a_child_whose_parent_is_missing_is_still_shown() -> None:
    assert len(grow([span("a", parent="lost"), span("b", start_s=1)])) == 2


def test_many_alike_become_one_line() -> None:
    progress = [span(f"p{place}", start_s=place, parent="root") for place in range(5)]
    alike = [one.__class__(**{**{f: getattr(one, f) for f in one.__slots__}, "name": "progress"}) for one in progress]

    lines = _drawn(span("root", lasts_s=10), *alike)

    assert lines[2:] == ["    └── training  progress  1.00 s at +0 µs and 4 more alike"]


def test_a_span_linked_from_another_trace_is_shown_as_linked() -> None:
    follower = span("served", start_s=60, trace_id=OTHER, service="serving", links=(Link(TRACE, span_id("root")),))

    lines = _drawn(span("root"), followers=[follower])

    assert lines[2:] == ["    └── ⇢ linked from trace 0af76519  serving  served  1.00 s at +60.00 s"]


def test_errors_are_shown_and_markup_in_names_is_not_obeyed() -> None:
    lines = _drawn(span("GET [bold]/x", error="ValueError: no"))

    assert lines[1].endswith("GET [bold]/x  1.00 s at +0 µs  ✗ ValueError: no")


def test_spans_are_counted_by_service() -> None:
    assert spans_by_service([span("a"), span("b", service="serving"), span("c")]) == {"serving": 1, "training": 2}


def test_durations_have_fitting_units() -> None:
    assert [seconds(value) for value in (0.000_012, 0.0123, 0.5, 75)] == ["12 µs", "12.3 ms", "500 ms", "75.00 s"]
