"""Runs and experiments that are found again, put away and had back."""

import mlflow
from mlflow.entities import ViewType

from tests.conformance.mlflow.session.given import client, refused


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
