"""Models that are logged, registered, loaded by every name, and kept from becoming champion."""

import mlflow
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

from tests.conformance.mlflow.session.given import LABELS, ROWS, THREE, client, refused


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


def gates() -> None:
    """Only the registry: nothing becomes champion that no gate let through."""
    client().create_registered_model("ungated")
    version = client().create_model_version("ungated", "s3://bucket/model").version
    with refused("PERMISSION_DENIED"):
        client().set_registered_model_alias("ungated", "champion", version)
    with refused("PERMISSION_DENIED"):
        client().transition_model_version_stage("ungated", version, "Production")
