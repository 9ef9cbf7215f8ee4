"""The explanation of a prediction names everything behind it, and says what is not known."""

from typing import Any

from rich.console import Console

from everloop.cli.answers import why_tree
from everloop.client.why import Prediction, Why


def _why(**changes: Any) -> Why:
    parts: dict[str, Any] = {
        "prediction": Prediction(
            prediction_id="p-0",
            pipeline="flights",
            version=3,
            served_at="2026-01-02T03:04:05Z",
            event_time="2026-01-02T03:04:05Z",
            score=0.25,
            inputs={"carrier": "[bold]", "hour": 6},
        ),
        "model": {
            "name": "flights",
            "version": 3,
            "model_digest": "sha256:model",
            "bundle_digest": "sha256:bundle",
            "bundle_uri": "/store/b",
            "metrics": {"auc": 0.7},
        },
        "data": {"version": 2, "digest": "sha256:data", "raw_digest": "sha256:raw", "raw_uri": "/store/raw"},
        "code": {"digest": "sha256:code", "commit": "abcdef0123456789"},
        "environment": {"digest": "sha256:environment"},
        "run": {
            "run_id": "run-1",
            "seed": 17,
            "parameters": {"leaves": 31},
            "cause": {"kind": "drift", "reason": "May"},
        },
        "gates": [{"gate": {"kind": "absolute", "metric": "auc"}, "passed": True, "explanation": "auc 0.7"}],
        "promotion": {"by": "ana", "at": "2026-01-01T00:00:00Z", "reason": "checked the slices"},
        "missing": {},
    }
    return Why(**{**parts, **changes})


def _printed(answer: Why) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(why_tree(answer))
    return capture.get()


def test_everything_behind_a_prediction_is_named() -> None:
    text = _printed(_why())

    for expected in (
        *(
            "p-0",
            "0.2500",
            "carrier=[bold]",
            "flights version 3",
            "sha256:model",
            "sha256:bundle",
            "run-1",
            "drift: May",
        ),
        *("leaves=31", "sha256:data", "sha256:raw", "sha256:code", "abcdef012345", "sha256:environment"),
        *("promoted by ana", "checked the slices", "gate absolute auc passed: auc 0.7"),
    ):
        assert expected in text, expected


def test_a_part_that_could_not_be_had_is_said_to_be_missing() -> None:
    answer = _why(run={"run_id": "run-1", "seed": 17, "parameters": {}}, missing={"run": "training does not answer"})

    assert "run is not known: training does not answer" in _printed(answer)


def test_a_label_is_told_once_it_is_known() -> None:
    known = _why().prediction.model_copy(update={"label": {"value": 1.0, "observed_at": "2026-01-03T00:00:00Z"}})

    assert "turned out to be 1" in _printed(_why(prediction=known))
    assert "turned out" not in _printed(_why())
