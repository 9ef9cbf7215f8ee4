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


def autologging_pytorch() -> None:
    import pytorch_lightning
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    class Line(pytorch_lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            x_BF, y_B1 = batch
            loss = torch.nn.functional.mse_loss(self.layer(x_BF), y_B1)
            self.log("train_loss", loss, on_step=False, on_epoch=True)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    x_BF = torch.tensor(ROWS.to_numpy() / len(ROWS), dtype=torch.float32)
    rows = DataLoader(TensorDataset(x_BF, x_BF.sum(1, keepdim=True)), batch_size=10)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    # What is logged with a model is asked of an interpreter of its own, which takes longer than the rest.
    mlflow.pytorch.autolog(log_models=False, checkpoint_monitor="train_loss")
    with mlflow.start_run() as run:
        pytorch_lightning.Trainer(max_epochs=3, accelerator="cpu", **quiet).fit(Line(), rows)
    mlflow.pytorch.autolog(disable=True)
    data = client().get_run(run.info.run_id).data
    assert (data.params["optimizer_name"], data.params["lr"], data.params["epochs"]) == ("SGD", "0.01", "3")
    assert len(client().get_metric_history(run.info.run_id, "train_loss")) == 3
    assert {found.path for found in client().list_artifacts(run.info.run_id)} == {"checkpoints", "model_summary.txt"}
    layer = mlflow.pytorch.load_checkpoint(Line, run.info.run_id).layer
    with mlflow.start_run():
        logged = mlflow.pytorch.log_model(layer, name="line", pip_requirements=["torch"], serialization_format="pickle")
    assert torch.equal(mlflow.pytorch.load_model(logged.model_uri)(x_BF), layer(x_BF))
