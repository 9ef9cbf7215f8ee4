"""What data scientists do with MLflow's own client: ``python session.py URL``; nothing of Everloop is imported.

Runs with MLflow 3 and MLflow 2, against the registry and against a stock server (``python session.py URL stock``, which
leaves out what only the registry does). Prints each flow that went through, and ends with the first that did not.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

THREE = int(mlflow.__version__.split(".")[0]) >= 3
ROWS = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0)[::-1]})
LABELS = (ROWS["a"] > 19).astype(int)
client = mlflow.MlflowClient


@contextmanager
def refused(code: str) -> Iterator[None]:
    """Expect an error of the server."""
    said = ""
    try:
        yield
    except MlflowException as error:
        said = error.error_code
    assert said == code


def log_model(**more: object) -> object:
    """Log a fitted model under the name ``model``, in either client's words."""
    model = LogisticRegression().fit(ROWS, LABELS)
    signature = infer_signature(ROWS, model.predict(ROWS))
    name = {"name": "model"} if THREE else {"artifact_path": "model"}
    return mlflow.sklearn.log_model(
        model,
        **name,
        signature=signature,
        input_example=ROWS.head(2),
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
        **more,
    )


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


def artifacts() -> None:
    with TemporaryDirectory() as directory, mlflow.start_run() as run:
        file = Path(directory) / "a file.txt"
        file.write_text("hello")
        mlflow.log_artifact(str(file), "notes")
        mlflow.log_artifacts(directory, "folder/below")
        mlflow.log_dict({"a": 1}, "config/a.json")
        mlflow.log_text("text", "plain.txt")
        big = Path(directory) / "big.bin"
        big.write_bytes(bytes(range(256)) * 20_000)
        mlflow.log_artifact(str(big))
        top = {(found.path, found.is_dir) for found in client().list_artifacts(run.info.run_id)}
        assert top == {("notes", True), ("folder", True), ("config", True), ("plain.txt", False), ("big.bin", False)}
        (below,) = client().list_artifacts(run.info.run_id, "folder/below")
        assert (below.path, below.file_size) == ("folder/below/a file.txt", 5)
        uri = run.info.artifact_uri
        assert mlflow.artifacts.load_dict(f"{uri}/config/a.json") == {"a": 1}
        assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/plain.txt") == "text"
        taken = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=f"{directory}/taken")
        assert (Path(taken) / "big.bin").read_bytes() == big.read_bytes()
        assert (Path(taken) / "notes/a file.txt").read_text() == "hello"


def searches() -> None:
    experiment = mlflow.create_experiment("searched", tags={"area": "north"})
    for number in range(12):
        with mlflow.start_run(experiment_id=experiment, run_name=f"run {number:02}"):
            mlflow.log_metric("auc", number / 10)
            mlflow.log_param("parity", "odd" if number % 2 else "even")

    def names(filter_string: str, **more: object) -> list[str]:
        found = mlflow.search_runs([experiment], filter_string, output_format="list", **more)
        return [run.info.run_name for run in found]

    assert names("metrics.auc > 0.8 AND params.parity = 'odd'", order_by=["metrics.auc DESC"]) == ["run 11", "run 09"]
    assert names("attributes.run_name LIKE 'run 1%'", order_by=["run_name ASC"]) == ["run 10", "run 11"]
    assert names("attributes.status = 'FAILED'") == []
    page = client().search_runs([experiment], order_by=["metrics.auc ASC"], max_results=5)
    seen = [run.info.run_name for run in page]
    while page.token:
        page = client().search_runs([experiment], order_by=["metrics.auc ASC"], max_results=5, page_token=page.token)
        seen += [run.info.run_name for run in page]
    assert seen == [f"run {number:02}" for number in range(12)]
    assert [one.name for one in mlflow.search_experiments(filter_string="tags.area = 'north'")] == ["searched"]
    assert len(mlflow.search_runs(experiment_names=["searched"])) == 12
    with refused("INVALID_PARAMETER_VALUE"):
        names("metrics.auc > 0.8 OR metrics.auc < 0.1")


def deletes_and_restores() -> None:
    experiment = mlflow.create_experiment("short-lived")
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_metric("auc", 1)
    client().delete_run(run.info.run_id)
    assert mlflow.search_runs([experiment]).empty
    assert len(mlflow.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)) == 1
    client().restore_run(run.info.run_id)
    assert client().get_run(run.info.run_id).data.metrics == {"auc": 1}
    client().rename_experiment(experiment, "lived short")
    client().set_experiment_tag(experiment, "colour", "red")
    mlflow.delete_experiment(experiment)
    assert client().get_experiment(experiment).lifecycle_stage == "deleted"
    with refused("RESOURCE_ALREADY_EXISTS"):
        mlflow.create_experiment("lived short")
    client().restore_experiment(experiment)
    restored = client().get_experiment_by_name("lived short")
    assert (restored.lifecycle_stage, restored.tags["colour"]) == ("active", "red")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client().get_run("0" * 32)
    assert client().get_experiment_by_name("nobody's") is None


def models() -> None:
    name = "churn model"
    with mlflow.start_run() as run:
        logged = log_model()
        mlflow.log_metric("auc", 0.9)
    first = mlflow.register_model(f"runs:/{run.info.run_id}/model", name, tags={"stage": "raw"})
    assert int(first.version) == 1
    with mlflow.start_run():
        log_model(registered_model_name=name)
    client().set_registered_model_alias(name, "best", "1")
    client().update_registered_model(name, "Who leaves.")
    client().update_model_version(name, "1", "The first.")
    client().set_model_version_tag(name, "1", "stage", "cooked")
    client().set_registered_model_tag(name, "team", "blue")
    version = client().get_model_version_by_alias(name, "best")
    assert (int(version.version), version.description, version.tags["stage"]) == (1, "The first.", "cooked")
    assert client().get_registered_model(name).aliases == {"best": "1"}
    expected = LogisticRegression().fit(ROWS, LABELS).predict(ROWS)
    uris = [f"runs:/{run.info.run_id}/model", f"models:/{name}/1", f"models:/{name}@best", f"models:/{name}/latest"]
    for uri in [*uris, logged.model_uri]:
        assert (mlflow.pyfunc.load_model(uri).predict(ROWS) == expected).all(), uri
    assert (mlflow.sklearn.load_model(f"models:/{name}/2").predict(ROWS) == expected).all()
    signature = mlflow.models.get_model_info(f"models:/{name}/1").signature
    assert signature.inputs.input_names() == ["a", "b"]
    assert client().get_model_version_download_uri(name, "1")
    assert [one.name for one in client().search_registered_models("name ILIKE 'CHURN%'")] == [name]
    assert {int(one.version) for one in client().search_model_versions(f"name = '{name}'")} == {1, 2}
    client().delete_model_version(name, "2")
    again = mlflow.register_model(f"runs:/{run.info.run_id}/model", name)
    assert int(again.version) == 3
    client().delete_registered_model_alias(name, "best")
    with refused("INVALID_PARAMETER_VALUE"):
        client().get_model_version_by_alias(name, "best")
    client().rename_registered_model(name, "leavers")
    assert int(client().get_model_version("leavers", "3").version) == 3
    with refused("RESOURCE_ALREADY_EXISTS"):
        client().create_registered_model("leavers")
    client().delete_registered_model("leavers")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client().get_registered_model("leavers")


def logged_models() -> None:
    experiment = mlflow.create_experiment("logged models")
    with mlflow.start_run(experiment_id=experiment):
        logged = log_model(params={"depth": 3})
        mlflow.log_metric("auc", 0.75, model_id=logged.model_id)
    found = mlflow.get_logged_model(logged.model_id)
    assert (found.name, found.params["depth"], found.status.value) == ("model", "3", "READY")
    assert [metric.value for metric in found.metrics] == [0.75]
    client().set_logged_model_tags(logged.model_id, {"colour": "red"})
    seen = mlflow.search_logged_models([experiment], filter_string="metrics.auc > 0.7", output_format="list")
    assert [one.model_id for one in seen] == [logged.model_id]
    assert seen[0].tags["colour"] == "red"
    assert mlflow.pyfunc.load_model(f"models:/{logged.model_id}").predict(ROWS).shape == (40,)
    client().delete_logged_model(logged.model_id)
    assert mlflow.search_logged_models([experiment], output_format="list") == []


def autologging() -> None:
    mlflow.sklearn.autolog(log_models=False)
    with mlflow.start_run() as run:
        LogisticRegression(C=0.5).fit(ROWS, LABELS)
    mlflow.sklearn.autolog(disable=True)
    data = client().get_run(run.info.run_id).data
    assert data.params["C"] == "0.5"
    assert data.metrics["training_accuracy_score"] > 0.9
    assert "estimator.html" in {found.path for found in client().list_artifacts(run.info.run_id)}


def autologging_lightgbm() -> None:
    import lightgbm

    mlflow.lightgbm.autolog(log_models=False)
    train = lightgbm.Dataset(ROWS, LABELS)
    parameters = {"objective": "binary", "metric": "auc", "min_data_in_leaf": 2, "verbose": -1, "num_threads": 1}
    with mlflow.start_run() as run:
        lightgbm.train(parameters, train, num_boost_round=5, valid_sets=[train], valid_names=["train"])
    mlflow.lightgbm.autolog(disable=True)
    assert client().get_run(run.info.run_id).data.params["objective"] == "binary"
    assert len(client().get_metric_history(run.info.run_id, "train-auc")) == 5


def gates() -> None:
    """Only the registry: nothing becomes champion that no gate let through."""
    client().create_registered_model("ungated")
    version = client().create_model_version("ungated", "s3://bucket/model").version
    with refused("PERMISSION_DENIED"):
        client().set_registered_model_alias("ungated", "champion", version)
    with refused("PERMISSION_DENIED"):
        client().transition_model_version_stage("ungated", version, "Production")


FLOWS: tuple[Callable[[], None], ...] = (
    runs_and_nested_runs,
    metric_history,
    batches_at_their_limits,
    asynchronous_logging,
    inputs,
    artifacts,
    searches,
    deletes_and_restores,
    models,
    *((logged_models,) if THREE else ()),
    autologging,
    autologging_lightgbm,
)


def main(url: str, server: str = "") -> None:
    """Go through all flows."""
    mlflow.set_tracking_uri(url)
    print(f"MLflow {mlflow.__version__}")  # noqa: T201  # what it is run for
    for flow in (*FLOWS, *(() if server == "stock" else (gates,))):
        began = time.perf_counter()
        mlflow.set_experiment(flow.__name__)
        flow()
        print(f"{flow.__name__}: {time.perf_counter() - began:.1f} s", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
