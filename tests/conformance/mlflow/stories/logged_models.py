"""Logged models of MLflow 3: what ``log_model`` makes before anything is registered."""

from typing import Any

from tests.conformance.mlflow.asking import Ask, get, post

NOBODY = "m-" + "0" * 32


def _patch(what: str, path: str, /, **given: Any) -> Ask:
    return Ask(what, "PATCH", f"/mlflow/logged-models/{path}", given)


STORY = (
    post("an experiment", "experiments/create", {"experiment": "experiment_id"}, name="logged models of the story"),
    post("a run", "runs/create", {"run": "run.info.run_id"}, experiment_id="<experiment>", run_name="r", start_time=1),
    post(
        "create",
        "logged-models",
        {"model": "model.info.model_id"},
        experiment_id="<experiment>",
        name="trees",
        model_type="sklearn",
        source_run_id="<run>",
        params=[{"key": "depth", "value": "3"}],
        tags=[{"key": "team", "value": "blue"}],
    ),
    post(
        "create a second",
        "logged-models",
        {"second": "model.info.model_id"},
        experiment_id="<experiment>",
        name="lines",
    ),
    post("create in an unknown experiment", "logged-models", experiment_id="987654321", name="x"),
    post("create under a bad name", "logged-models", experiment_id="<experiment>", name="a/b"),
    get("get", "logged-models/<model>"),
    get("get an unknown", f"logged-models/{NOBODY}"),
    _patch("finish", "<model>", model_id="<model>", status="LOGGED_MODEL_READY"),
    _patch("fail", "<second>", model_id="<second>", status="LOGGED_MODEL_UPLOAD_FAILED"),
    _patch("finish an unknown", NOBODY, model_id=NOBODY, status="LOGGED_MODEL_READY"),
    _patch(
        "tag", "<model>/tags", model_id="<model>", tags=[{"key": "team", "value": "red"}, {"key": "x", "value": "1"}]
    ),
    Ask("untag", "DELETE", "/mlflow/logged-models/<model>/tags/x", {}),
    Ask("untag again", "DELETE", "/mlflow/logged-models/<model>/tags/x", {}),
    post(
        "more parameters", "logged-models/<model>/params", model_id="<model>", params=[{"key": "rate", "value": "0.1"}]
    ),
    post(
        "a metric of the model",
        "runs/log-batch",
        run_id="<run>",
        metrics=[
            {
                "key": "auc",
                "value": 0.75,
                "timestamp": 1000,
                "step": 0,
                "model_id": "<model>",
                "dataset_name": "flights",
                "dataset_digest": "abc",
            }
        ],
    ),
    post("an output of the run", "runs/outputs", run_id="<run>", models=[{"model_id": "<model>", "step": 0}]),
    get("the run with its output", "runs/get", run_id="<run>"),
    get("get with all this", "logged-models/<model>"),
    post(
        "search",
        "logged-models/search",
        experiment_ids=["<experiment>"],
        order_by=[{"field_name": "name", "ascending": True}],
    ),
    post("search by name", "logged-models/search", experiment_ids=["<experiment>"], filter="name = 'trees'"),
    post("search by metric", "logged-models/search", experiment_ids=["<experiment>"], filter="metrics.auc > 0.7"),
    post("search by parameter", "logged-models/search", experiment_ids=["<experiment>"], filter="params.depth = '3'"),
    post("search by tag", "logged-models/search", experiment_ids=["<experiment>"], filter="tags.team = 'red'"),
    post("search by nonsense", "logged-models/search", experiment_ids=["<experiment>"], filter="colour = 'red'"),
    post("search nowhere", "logged-models/search", experiment_ids=[]),
    get("its files", "logged-models/<model>/artifacts/directories"),
    Ask("delete", "DELETE", "/mlflow/logged-models/<second>", {}),
    Ask("delete again", "DELETE", "/mlflow/logged-models/<second>", {}),
    get("get what is deleted", "logged-models/<second>"),
    post("search leaves it out", "logged-models/search", experiment_ids=["<experiment>"]),
)
