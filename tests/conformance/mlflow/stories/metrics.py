"""Metrics: which value is the latest, what numbers are taken, and the whole history."""

from typing import Any

from tests.conformance.mlflow.asking import Ask, get, post

NOBODY = "0" * 32


def _log(what: str, key: str, value: Any, timestamp: int, step: int | None = 0) -> Ask:
    given = {"run_id": "<run>", "key": key, "value": value, "timestamp": timestamp}
    return post(what, "runs/log-metric", **given, **({} if step is None else {"step": step}))


STORY = (
    post("an experiment", "experiments/create", {"experiment": "experiment_id"}, name="metrics of the story"),
    post("a run", "runs/create", {"run": "run.info.run_id"}, experiment_id="<experiment>", run_name="r", start_time=1),
    post(
        "another", "runs/create", {"other": "run.info.run_id"}, experiment_id="<experiment>", run_name="o", start_time=1
    ),
    _log("log", "auc", 0.5, 1000, 0),
    _log("a later step", "auc", 0.7, 1001, 1),
    _log("an earlier step, logged later", "auc", 0.9, 5000, 0),
    _log("the same once more", "auc", 0.7, 1001, 1),
    get("the highest step is the latest", "runs/get", run_id="<run>"),
    _log("the same step, later", "auc", 0.6, 1002, 1),
    get("then the latest time", "runs/get", run_id="<run>"),
    _log("the same step and time, lower", "auc", 0.3, 1002, 1),
    get("then the highest value", "runs/get", run_id="<run>"),
    _log("a negative step", "back", 1.5, 1000, -3),
    _log("no step", "plain", 2, 1000, None),
    _log("a text that is a number", "text", "0.25", 1000),
    _log("not a number", "nan", "NaN", 1000),
    _log("without end", "inf", "Infinity", 1000),
    _log("without end, below", "neg", "-Infinity", 1000),
    _log("a huge one", "huge", 1e300, 1000),
    get("numbers as they are told", "runs/get", run_id="<run>"),
    _log("no number", "word", "high", 1000),
    _log("an empty text", "empty", "", 1000),
    post("no value", "runs/log-metric", run_id="<run>", key="x", timestamp=1),
    post("a null", "runs/log-metric", run_id="<run>", key="x", value=None, timestamp=1),
    post("no time", "runs/log-metric", run_id="<run>", key="x", value=1),
    post("no name", "runs/log-metric", run_id="<run>", value=1, timestamp=1),
    _log("a name with a slash", "train/auc", 0.5, 1000),
    _log("a name with a space and a dot", "my metric.v1", 0.5, 1000),
    _log("a bad name", "a*b", 0.5, 1000),
    _log("a path as a name", "/a", 0.5, 1000),
    _log("a name too long", "k" * 251, 0.5, 1000),
    post("a time that is no whole number", "runs/log-metric", run_id="<other>", key="x", value=0.5, timestamp=1000.5),
    post("to an unknown run", "runs/log-metric", run_id=NOBODY, key="x", value=1, timestamp=1),
    post("to no run", "runs/log-metric", key="x", value=1, timestamp=1),
    get("history", "metrics/get-history", run_id="<run>", metric_key="auc"),
    Ask(
        "a first page",
        "GET",
        "/mlflow/metrics/get-history",
        {"run_id": "<run>", "metric_key": "auc", "max_results": 2},
        {"page": "next_page_token"},
    ),
    get("the next page", "metrics/get-history", run_id="<run>", metric_key="auc", max_results=2, page_token="<page>"),
    get("history of numbers that JSON lacks", "metrics/get-history", run_id="<run>", metric_key="nan"),
    get("history of an unknown metric", "metrics/get-history", run_id="<run>", metric_key="nobody"),
    get("history in an unknown run", "metrics/get-history", run_id=NOBODY, metric_key="auc"),
    get("history of nothing", "metrics/get-history", run_id="<run>"),
    get("history over runs", "metrics/get-history-bulk-interval", run_ids="<run>", metric_key="auc", max_results=10),
    post(
        "a batch of one metric",
        "runs/log-batch",
        run_id="<run>",
        metrics=[{"key": "loss", "value": 1 / (step + 1), "timestamp": 1000 + step, "step": step} for step in range(5)],
    ),
    get("history of the batch", "metrics/get-history", run_id="<run>", metric_key="loss"),
    get("the run at the end", "runs/get", run_id="<run>"),
)
