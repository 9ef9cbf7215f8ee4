"""A data scientist logs models and loads them by every name they have: ``python model_session.py URL``."""

import sys
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.pyfunc import PythonModel
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

ROWS = pd.DataFrame({"a": [1.0, 2.0]})
TWICE = [2.0, 4.0]


class Times(PythonModel):
    """Multiplies."""

    def __init__(self, by: float) -> None:
        self.by = by

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.Series:
        """Multiply the first column."""
        return model_input["a"] * self.by


def main(url: str) -> None:
    """Log a model, look at it from all sides, load it by every name."""
    mlflow.set_tracking_uri(url)
    client = mlflow.MlflowClient()
    mlflow.set_experiment("late flights")
    with mlflow.start_run() as run:
        logged = mlflow.pyfunc.log_model(
            name="times",
            python_model=Times(2.0),
            signature=infer_signature(ROWS, pd.Series(TWICE)),
            pip_requirements=["pandas"],
            params={"by": "2", **{f"p{number}": "x" * 500 for number in range(150)}},
            tags={"team": "delays"},
        )
        mlflow.log_metric("auc", 0.75, step=1, model_id=logged.model_id)
        mlflow.log_metric("strange", float("nan"), model_id=logged.model_id)

    model = client.get_logged_model(logged.model_id)
    assert (model.name, model.status, model.source_run_id) == ("times", "READY", run.info.run_id)
    assert (model.params["by"], len(model.params), model.tags["team"]) == ("2", 151, "delays")
    assert {point.key: str(point.value) for point in model.metrics} == {"auc": "0.75", "strange": "nan"}
    assert [made.model_id for made in client.get_run(run.info.run_id).outputs.model_outputs] == [model.model_id]
    files = {
        file.path.rpartition("/")[2] for file in mlflow.artifacts.list_artifacts(artifact_uri=model.artifact_location)
    }
    assert {"MLmodel", "requirements.txt"} <= files

    client.set_logged_model_tags(model.model_id, {"team": "arrivals", "a/b": "1"})
    client.delete_logged_model_tag(model.model_id, "a/b")
    tags = client.get_logged_model(model.model_id).tags
    assert (tags["team"], "a/b" in tags) == ("arrivals", False)
    external = mlflow.create_external_model(name="elsewhere", model_type="agent")
    assert client.get_logged_model(external.model_id).model_type == "agent"

    version = mlflow.register_model(logged.model_uri, "times").version
    client.set_registered_model_alias("times", "good", version)
    uris = (
        logged.model_uri,
        f"runs:/{run.info.run_id}/times",
        f"models:/{logged.model_id}",
        f"models:/times/{version}",
        "models:/times/latest",
        "models:/times@good",
        model.artifact_location,
    )
    for uri in uris:
        assert list(mlflow.pyfunc.load_model(uri).predict(ROWS)) == TWICE, uri

    try:
        get_artifact_repository(model.artifact_location).delete_artifacts("MLmodel")
    except OSError as error:
        assert "version=times/1" in str(error)  # noqa: PT017  # no pytest here
    else:
        raise AssertionError("a version lost a file")

    client.delete_logged_model(external.model_id)
    try:
        client.get_logged_model(external.model_id)
    except MlflowException as error:
        assert error.error_code == "RESOURCE_DOES_NOT_EXIST"  # noqa: PT017  # no pytest here
    else:
        raise AssertionError("it was deleted")


if __name__ == "__main__":
    main(sys.argv[1])
