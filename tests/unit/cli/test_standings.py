"""What `everloop runs` tells of a pipeline's next run."""

from typing import Any

from everloop.cli.standings import standing_lines

QUIET: dict[str, Any] = {
    "waiting": [],
    "budget": None,
    "backoffs": [],
    "refused": [],
    "degraded": None,
    "escalated_at": None,
    "next_scheduled": None,
}
MIDNIGHT = "2026-03-02T00:00:00+00:00"


def test_nothing_is_told_of_a_pipeline_that_nothing_holds_up() -> None:
    assert list(standing_lines(QUIET)) == []


def test_cause_that_waits_is_told_with_its_reason_and_what_is_left_of_the_day() -> None:
    waiting = {"cause": {"kind": "drift"}, "heard_at": MIDNIGHT, "detail": "1 of 1 runs of the day have begun; [x]"}
    budget = {"runs_left": 0, "compute_left_s": 120.4, "ends_at": MIDNIGHT}

    waits, left = standing_lines(QUIET | {"waiting": [waiting], "budget": budget})

    assert waits.startswith("waits with drift since ")
    assert waits.endswith(r"1 of 1 runs of the day have begun; \[x]")
    assert left.startswith("has 0 runs and 120 compute-seconds left until ")


def test_person_is_named_first_where_one_must_look() -> None:
    degraded = {"version": 2, "since": MIDNIGHT, "reason": "auc fell to 0.6"}
    backoff = {"kind": "quality", "refusals": 1, "until": MIDNIGHT}

    lines = list(
        standing_lines(
            QUIET | {"degraded": degraded, "escalated_at": MIDNIGHT, "refused": ["a"], "backoffs": [backoff]}
        )
    )

    assert lines[0] == "[red]needs a person[/red]: auc fell to 0.6; 1 run in a row led to no better model"
    assert lines[1].startswith("backs off from quality until data of ")
    assert lines[1].endswith("after 1 refusal")
