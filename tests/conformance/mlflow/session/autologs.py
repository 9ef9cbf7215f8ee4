"""Libraries whose training logs itself."""

import mlflow
from sklearn.linear_model import LogisticRegression

from tests.conformance.mlflow.session.given import LABELS, ROWS, client


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
