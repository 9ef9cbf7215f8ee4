"""Lineages and differences are drawn with everything that matters, in words."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from everloop.cli import lineages
from everloop.client.lineage import Branch, Lineage

BRANCH = Branch(
    model="flights",
    version=3,
    known={
        "state": "promoted",
        "aliases": ["champion"],
        "decision": {"by": "ana", "at": "2026-01-01T00:00:00Z", "reason": "good"},
        "lineage": {
            "run_id": "run-1",
            "dataset": {"version": 2, "digest": "sha256:data"},
            "code_digest": "sha256:code",
            "commit": "abcdef0123456789",
            "modified": True,
            "environment_digest": "sha256:environment",
        },
    },
    run={"cause": {"kind": "drift", "reason": "May [again]"}, "correlation_id": "story-1"},
    data={"raw_digest": "sha256:raw", "raw_uri": "/store/raw"},
    moves=[{"alias": "champion", "version": 3, "by": "ana", "at": "2026-01-01T00:00:00Z"}],
    deployment={"version": 3, "since": "2026-01-01T00:00:00Z"},
    predictions={"version": 3, "predictions": 1204, "windows": 2},
    newest_predictions=["p-9"],
    original={
        "version": 7,
        "state": "rejected",
        "decision": {"by": "eve", "at": "2025-01-01T00:00:00Z", "reason": "wrong [holiday]"},
        "moves": [
            {"alias": "challenger", "version": 7, "by": "gates", "at": "2025-01-01T00:00:00Z"},
            {"alias": "champion", "version": 6, "by": "zoe", "at": "2025-01-01T00:00:00Z"},
        ],
    },
    missing={"data": "ingestion does not answer"},
)
DIFF: dict[str, Any] = {
    "model": "flights",
    "from_version": 2,
    "to_version": 3,
    "same_model_file": False,
    "parameters": [{"name": "num_leaves", "before": 31, "after": None}],
    "metrics": [{"name": "auc", "before": 0.7123456, "after": 0.8}],
    **{part: [] for part in ("data", "source", "definition", "environment", "gates")},
    "code": [
        {"path": "pipeline/pipeline.py", "fate": "changed", "diff": "--- a\n+++ b\n@@ -1 +1 @@\n-old line\n+new line"},
        {"path": "platform/ray_jobs/train.py", "fate": "changed", "diff": "-ours\n+ours too"},
    ],
}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console(width=200, color_system=None, record=True)
    monkeypatch.setattr("everloop.cli.output.console", lambda **_: console)
    monkeypatch.setattr("everloop.cli.lineages.console", lambda **_: console)
    return console


def test_a_version_is_drawn_from_its_data_to_its_predictions(drawn: Console) -> None:
    found = Lineage(identity="run-1", kind="run", asked=None, versions=[BRANCH])

    drawn.print(lineages.lineage_tree(found))

    text = drawn.export_text()
    for expected in (
        *("run run-1", "flights version 3", "promoted champion", "dataset version 2", "sha256:raw", "May [again]"),
        *("abcdef012345 with uncommitted changes", "sha256:environment", "promoted by ana", "champion since"),
        *("was version 7 there, rejected", "by eve", "wrong [holiday]", "challenger since", "by gates"),
        *("answers since", "1,204 rows in 2 windows", "everloop why p-9", "data is not known: ingestion"),
    ):
        assert expected in text, expected
    assert "zoe" not in text


def test_what_no_version_came_from_says_so(drawn: Console) -> None:
    found = Lineage(identity="run-2", kind="run", asked={"state": "failed", "detail": "[boom]"}, versions=[])

    drawn.print(lineages.lineage_tree(found))

    text = drawn.export_text()
    assert "state failed" in text
    assert "detail [boom]" in text
    assert "no version came from it" in text


def test_a_difference_is_shown_by_part_and_by_line(drawn: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    class Platform:
        async def get(self, service: str, path: str, **query: int) -> Any:
            assert (service, path, query) == ("registry", "/v1/models/flights/diff", {"from": 2, "to": 3})
            return DIFF

    def with_platform(_home: object, work: Callable[[Any], Any]) -> Any:
        return asyncio.run(work(Platform()))

    monkeypatch.setattr(lineages, "with_platform", with_platform)

    lineages.diff("flights", 2, 3)

    text = drawn.export_text()
    for expected in ("flights 2 → 3", "another model", "num_leaves", "0.71235", "+new line", "ray_jobs/train.py"):
        assert expected in text, expected
    assert "ours too" not in text
