"""A rollout's plan fits in a line."""

from typing import Any

from everloop.cli.rollouts import picture


def _stage(kind: str, share: float, progress: str) -> dict[str, Any]:
    return {"kind": kind, "share": share, "progress": progress}


def test_a_plan_shows_what_is_over_where_it_is_and_what_is_ahead() -> None:
    stages = [
        _stage("shadow", 1.0, "over"),
        _stage("canary", 0.05, "present"),
        _stage("canary", 0.5, "ahead"),
        _stage("bake", 0.1, "ahead"),
    ]

    assert picture({"stages": stages}) == "● shadow 100% ─ ◉ canary 5% ─ ○ canary 50% ─ ○ bake"


def test_a_plan_without_steps_says_so() -> None:
    assert picture({"stages": []}) == "all at once"
