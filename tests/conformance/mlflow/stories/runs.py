"""Runs: their life, parameters, tags, batches, inputs and outputs."""

import json

from tests.conformance.mlflow.asking import get, post

NOBODY = "0" * 32


def _pairs(count: int, *, value: str = "v") -> list[dict[str, str]]:
    return [{"key": f"k{number}", "value": value} for number in range(count)]


def _metrics(count: int) -> list[dict[str, object]]:
    return [{"key": "m", "value": number, "timestamp": 1000, "step": number} for number in range(count)]


SCHEMA = '{"mlflow_colspec": [{"type": "double", "name": "a", "required": true}]}'
DATASET = {
    "name": "flights",
    "digest": "abc123",
    "source_type": "local",
    "source": '{"uri": "flights.parquet"}',
    "schema": SCHEMA,
    "profile": '{"num_rows": 3}',
}
MODEL = {"artifact_path": "model", "run_id": "<run>", "utc_time_created": "2026-01-01 00:00:00", "flavors": {"x": {}}}

STORY = (
    post("an experiment", "experiments/create", {"experiment": "experiment_id"}, name="runs of the story"),
    post(
        "start",
        "runs/create",
        {"run": "run.info.run_id"},
        experiment_id="<experiment>",
        user_id="ada",
        run_name="first",
        start_time=1000,
        tags=[{"key": "colour", "value": "red"}, {"key": "mlflow.user", "value": "ada"}],
    ),
    post(
        "start a nested one",
        "runs/create",
        {"child": "run.info.run_id"},
        experiment_id="<experiment>",
        run_name="child",
        start_time=1001,
        tags=[{"key": "mlflow.parentRunId", "value": "<run>"}],
    ),
    post(
        "a name as a tag",
        "runs/create",
        {"tagged": "run.info.run_id"},
        experiment_id="<experiment>",
        start_time=1002,
        tags=[{"key": "mlflow.runName", "value": "tagged"}],
    ),
    post(
        "two names",
        "runs/create",
        experiment_id="<experiment>",
        run_name="one",
        tags=[{"key": "mlflow.runName", "value": "other"}],
    ),
    post("start in an unknown experiment", "runs/create", experiment_id="987654321", start_time=1000),
    post("start in no number", "runs/create", experiment_id="flights", start_time=1000),
    get("get", "runs/get", run_id="<run>"),
    get("get by the old argument", "runs/get", run_uuid="<run>"),
    get("get an unknown", "runs/get", run_id=NOBODY),
    get("get without an id", "runs/get"),
    get("get nonsense", "runs/get", run_id="no/such"),
    post("log a parameter", "runs/log-parameter", run_id="<run>", key="depth", value="3"),
    post("log it again", "runs/log-parameter", run_id="<run>", key="depth", value="3"),
    post("log it otherwise", "runs/log-parameter", run_id="<run>", key="depth", value="4"),
    post("log a number", "runs/log-parameter", run_id="<tagged>", key="rate", value=0.1),
    post("log an empty one", "runs/log-parameter", run_id="<run>", key="nothing", value=""),
    post("log one without a key", "runs/log-parameter", run_id="<run>", value="3"),
    post("log one of a bad name", "runs/log-parameter", run_id="<run>", key="a*b", value="3"),
    post("log one of a path's name", "runs/log-parameter", run_id="<run>", key="../up", value="3"),
    post("log the longest", "runs/log-parameter", run_id="<tagged>", key="long", value="x" * 6000),
    post("log one too long", "runs/log-parameter", run_id="<tagged>", key="longer", value="x" * 6001),
    post("log the longest name", "runs/log-parameter", run_id="<tagged>", key="k" * 250, value="3"),
    post("log a name too long", "runs/log-parameter", run_id="<tagged>", key="k" * 251, value="3"),
    post("log to an unknown", "runs/log-parameter", run_id=NOBODY, key="depth", value="3"),
    post("set a tag", "runs/set-tag", run_id="<run>", key="colour", value="blue"),
    post("set a new tag", "runs/set-tag", run_id="<run>", key="shape", value="round"),
    post("set a tag too long", "runs/set-tag", run_id="<tagged>", key="essay", value="x" * 8001),
    post("set a tag of a bad name", "runs/set-tag", run_id="<run>", key="a?b", value="x"),
    post("rename by tag", "runs/set-tag", run_id="<child>", key="mlflow.runName", value="child renamed"),
    get("get what was renamed by tag", "runs/get", run_id="<child>"),
    post("delete a tag", "runs/delete-tag", run_id="<run>", key="shape"),
    post("delete it again", "runs/delete-tag", run_id="<run>", key="shape"),
    post("finish", "runs/update", run_id="<run>", status="FINISHED", end_time=2000),
    post("rename", "runs/update", run_id="<run>", run_name="renamed"),
    post("an unknown status", "runs/update", run_id="<run>", status="TIRED"),
    post("update an unknown", "runs/update", run_id=NOBODY, status="FINISHED"),
    get("get what is finished", "runs/get", run_id="<run>"),
    post(
        "log a batch",
        "runs/log-batch",
        run_id="<child>",
        metrics=[
            {"key": "loss", "value": 0.5, "timestamp": 1000, "step": 0},
            {"key": "loss", "value": 0.25, "timestamp": 1001, "step": 1},
        ],
        params=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}],
        tags=[{"key": "t", "value": "1"}],
    ),
    get("get after the batch", "runs/get", run_id="<child>"),
    post("log an empty batch", "runs/log-batch", run_id="<child>"),
    post(
        "a batch at its limits",
        "runs/log-batch",
        run_id="<tagged>",
        metrics=_metrics(800),
        params=_pairs(100),
        tags=_pairs(100),
    ),
    post(
        "too much in all",
        "runs/log-batch",
        run_id="<tagged>",
        metrics=_metrics(900),
        params=_pairs(100),
        tags=_pairs(100),
    ),
    post("too many metrics", "runs/log-batch", run_id="<tagged>", metrics=_metrics(1001)),
    post("too many parameters", "runs/log-batch", run_id="<tagged>", params=_pairs(101)),
    post("too many tags", "runs/log-batch", run_id="<tagged>", tags=_pairs(101)),
    post(
        "a batch that changes a parameter",
        "runs/log-batch",
        run_id="<child>",
        params=[{"key": "a", "value": "9"}, {"key": "c", "value": "3"}],
    ),
    post(
        "a batch against itself",
        "runs/log-batch",
        run_id="<child>",
        params=[{"key": "d", "value": "1"}, {"key": "d", "value": "2"}],
    ),
    post(
        "a batch that repeats itself",
        "runs/log-batch",
        run_id="<child>",
        params=[{"key": "e", "value": "1"}, {"key": "e", "value": "1"}],
    ),
    post(
        "a batch with a bad metric",
        "runs/log-batch",
        run_id="<tagged>",
        metrics=[{"key": "x", "value": "high", "timestamp": 1}],
        params=[{"key": "f", "value": "1"}],
    ),
    post("a batch to an unknown", "runs/log-batch", run_id=NOBODY, params=[{"key": "a", "value": "1"}]),
    get("nothing of a refused batch is kept", "runs/get", run_id="<child>"),
    post(
        "log inputs",
        "runs/log-inputs",
        run_id="<run>",
        datasets=[{"dataset": DATASET, "tags": [{"key": "mlflow.data.context", "value": "training"}]}],
    ),
    post(
        "log them again",
        "runs/log-inputs",
        run_id="<run>",
        datasets=[{"dataset": DATASET, "tags": [{"key": "mlflow.data.context", "value": "training"}]}],
    ),
    post("log an input without a name", "runs/log-inputs", run_id="<tagged>", datasets=[{"dataset": {"digest": "a"}}]),
    post("log inputs of an unknown", "runs/log-inputs", run_id=NOBODY, datasets=[{"dataset": DATASET}]),
    get("get with inputs", "runs/get", run_id="<run>"),
    post("note a model", "runs/log-model", run_id="<run>", model_json=json.dumps(MODEL)),
    post("note no model", "runs/log-model", run_id="<run>", model_json="nonsense"),
    post("delete", "runs/delete", run_id="<child>"),
    post("delete again", "runs/delete", run_id="<child>"),
    post("delete an unknown", "runs/delete", run_id=NOBODY),
    get("get what is deleted", "runs/get", run_id="<child>"),
    post("log a parameter to what is deleted", "runs/log-parameter", run_id="<child>", key="z", value="1"),
    post("log a metric to what is deleted", "runs/log-metric", run_id="<child>", key="z", value=1, timestamp=1, step=0),
    post("set a tag of what is deleted", "runs/set-tag", run_id="<child>", key="z", value="1"),
    post("update what is deleted", "runs/update", run_id="<child>", status="FAILED"),
    post("restore", "runs/restore", run_id="<child>"),
    post("restore again", "runs/restore", run_id="<child>"),
    post("restore an unknown", "runs/restore", run_id=NOBODY),
    get("get what is restored", "runs/get", run_id="<child>"),
)
