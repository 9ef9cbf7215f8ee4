"""Runs, and what they log."""

import mlflow
import numpy as np
from mlflow.entities import Metric, Param, RunTag

from tests.conformance.mlflow.session.given import LABELS, ROWS, client, refused


def runs_and_nested_runs() -> None:
    with mlflow.start_run(run_name="parent", tags={"team": "blue"}, description="a note") as parent:
        mlflow.log_param("depth", 3)
        mlflow.log_params({"rate": 0.1, "long": "x" * 6000})
        mlflow.log_metric("auc", 0.7)
        mlflow.set_tags({"colour": "red", "shape": "round"})
        mlflow.delete_tag("shape")
        for number in range(2):
            with mlflow.start_run(run_name=f"child {number}", nested=True):
                mlflow.log_metric("auc", number / 10)
    found = mlflow.get_run(parent.info.run_id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "parent"
    assert found.data.params["depth"] == "3"
    assert found.data.metrics == {"auc": 0.7}
    assert found.data.tags["colour"] == "red"
    assert "shape" not in found.data.tags
    children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert sorted(children["tags.mlflow.runName"]) == ["child 0", "child 1"]
    with mlflow.start_run(run_id=parent.info.run_id):
        mlflow.log_metric("auc", 0.8, step=1)
    assert client().get_run(parent.info.run_id).data.metrics["auc"] == 0.8
    with refused("INVALID_PARAMETER_VALUE"):
        client().log_param(parent.info.run_id, "depth", 4)
    try:
        with mlflow.start_run() as failing:
            raise ZeroDivisionError
    except ZeroDivisionError:
        assert mlflow.get_run(failing.info.run_id).info.status == "FAILED"


def metric_history() -> None:
    with mlflow.start_run() as run:
        points = [Metric("loss", 1 / (step + 1), 1000 + step, step) for step in range(2500)]
        for start in range(0, 2500, 1000):
            client().log_batch(run.info.run_id, metrics=points[start : start + 1000])
        mlflow.log_metric("strange", float("nan"))
        mlflow.log_metric("endless", float("inf"))
    history = client().get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in sorted(history, key=lambda point: point.step)] == list(range(2500))
    latest = client().get_run(run.info.run_id).data.metrics
    assert latest["loss"] == 1 / 2500
    assert np.isnan(latest["strange"])
    assert latest["endless"] > 1e308


def batches_at_their_limits() -> None:
    with mlflow.start_run() as run:
        mlflow.log_params({f"p{number}": number for number in range(150)})
        mlflow.log_metrics({f"m{number}": number for number in range(1100)})
        mlflow.set_tags({f"t{number}": number for number in range(150)})
    data = client().get_run(run.info.run_id).data
    assert (len(data.params), len(data.metrics)) == (150, 1100)
    assert data.tags["t149"] == "149"
    run_id = run.info.run_id
    with refused("INVALID_PARAMETER_VALUE"):
        client().log_batch(run_id, params=[Param("a", "1"), Param("a", "2")])
    client().log_batch(run_id, [Metric("x", 1, 1000, 0)], [Param("y", "1")], [RunTag("z", "1")])


def asynchronous_logging() -> None:
    with mlflow.start_run() as run:
        for step in range(50):
            mlflow.log_metric("loss", 1 / (step + 1), step=step, synchronous=False)
        mlflow.log_param("seed", 1, synchronous=False).wait()
        mlflow.flush_async_logging()
    assert len(client().get_metric_history(run.info.run_id, "loss")) == 50
    assert client().get_run(run.info.run_id).data.params == {"seed": "1"}


def inputs() -> None:
    dataset = mlflow.data.from_pandas(ROWS.assign(label=LABELS), name="flights", targets="label")
    with mlflow.start_run() as run:
        mlflow.log_input(dataset, context="training", tags={"month": "may"})
    (logged,) = client().get_run(run.info.run_id).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("flights", dataset.digest)
    assert {tag.key: tag.value for tag in logged.tags} == {"mlflow.data.context": "training", "month": "may"}
    assert len(mlflow.search_runs(filter_string="dataset.name = 'flights'")) == 1
