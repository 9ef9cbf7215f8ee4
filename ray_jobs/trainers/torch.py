"""A neural network, trained by several workers with distributed data parallel.

Ray Train runs the workers, on GPUs where asked for and present. Every epoch leaves a checkpoint in the store; a
killed worker or a killed job goes on from the last one. Rows that outgrow a machine are streamed.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.pipeline import Objective
from ray_jobs import cluster
from ray_jobs.fitting import Encoding
from ray_jobs.rows import RayRows, Rows
from ray_jobs.trainers import Fitted, ParameterError, Parameters, Task, arrays, merged

if TYPE_CHECKING:
    from torch import Tensor

    from ray_jobs.networks import TabularNetwork

DEFAULTS: Parameters = {
    "epochs": 20,
    "patience": 3,
    "batch_size": 512,
    "learning_rate": 0.001,
    "weight_decay": 0.0001,
    "hidden": "64,32",
    "dropout": 0.1,
    "categories": "ordinal",
    "smoothing": 50.0,
}
CHECKPOINT = "state.pt"
Batch = tuple["Tensor", "Tensor"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The parameters, typed."""

    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    hidden: tuple[int, ...]
    dropout: float


def encoding(parameters: Parameters) -> Encoding:
    """Categories as places for learned vectors (or as label means), numbers standardised."""
    settings = merged(DEFAULTS, parameters)
    smoothing = float(settings["smoothing"])
    match settings["categories"]:
        case "ordinal":
            return Encoding("ordinal", standardise=True, smoothing=smoothing)
        case "target":
            return Encoding("target", standardise=True, smoothing=smoothing)
        case other:
            raise ParameterError(f"categories is {other!r}; expected ordinal or target")


def fit(train: Rows, validation: Rows, task: Task) -> Fitted:
    """Train until the validation loss stops falling; keep the best epoch."""
    cluster.connect()
    from ray.train import CheckpointConfig, DataConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    use_gpu = task.resources.use_gpu and cluster.gpus() > 0
    config: dict[str, Any] = {"task": task, "settings": _settings(task.parameters), **_label_scale(train, task)}
    datasets = {}
    if isinstance(train, RayRows) and isinstance(validation, RayRows):
        datasets = {"train": train.dataset, "validation": validation.dataset}
    else:
        import ray

        config["train"], config["validation"] = ray.put(arrays(train.collect())), ray.put(arrays(validation.collect()))
    trainer = TorchTrainer(
        work,
        train_loop_config=config,
        scaling_config=ScalingConfig(
            num_workers=task.resources.workers,
            use_gpu=use_gpu,
            resources_per_worker={"CPU": task.resources.cpus_per_worker, **({"GPU": 1} if use_gpu else {})},
        ),
        run_config=RunConfig(
            # The same name in the same place is how a job that is started again finds its checkpoints.
            name="torch",
            storage_path=task.checkpoints_uri,
            failure_config=FailureConfig(max_failures=task.resources.max_attempts - 1),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
        ),
        datasets=datasets,
        dataset_config=DataConfig(datasets_to_split="all"),
    )
    result = trainer.fit()
    assert result.checkpoint is not None
    with result.checkpoint.as_directory() as directory:
        state = _load(Path(directory))
    return Fitted(_exported(state["best"], config), "cuda" if use_gpu else "cpu")


def work(config: dict[str, Any]) -> None:
    """Train on one worker, in step with the others."""
    import torch
    from ray import train
    from ray.train.torch import get_device, prepare_model

    task, settings = config["task"], config["settings"]
    context = train.get_context()
    torch.manual_seed(task.seed)
    torch.set_num_threads(max(1, int(task.resources.cpus_per_worker)))
    device = get_device()
    network = _network(config)
    state: dict[str, Any] = {"epoch": -1, "best_loss": float("inf"), "best_epoch": -1}
    if (checkpoint := train.get_checkpoint()) is not None:
        with checkpoint.as_directory() as directory:
            state = _load(Path(directory))
        network.load_state_dict(state["network"])
    model = prepare_model(network)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    if "optimizer" in state:
        optimizer.load_state_dict(state["optimizer"])

    for epoch in range(state["epoch"] + 1, settings.epochs):
        if state["epoch"] - state["best_epoch"] >= settings.patience:
            break
        # An epoch done again after a crash must be the same epoch.
        torch.manual_seed(task.seed * 1_000_003 + epoch * 1_009 + context.get_world_rank())
        model.train()
        for x_BF, y_B in _batches(config, "train", epoch):  # noqa: N806 - B rows of a batch, F columns
            optimizer.zero_grad()
            _loss(model(x_BF.to(device)), y_B.to(device), config).backward()
            optimizer.step()
        loss = _validation_loss(model, config, device)
        state |= {"epoch": epoch, "network": network.state_dict(), "optimizer": optimizer.state_dict()}
        if loss < state["best_loss"]:
            best = {name: weight.detach().clone() for name, weight in network.state_dict().items()}
            state |= {"best_loss": loss, "best_epoch": epoch, "best": best}
        _report(state, loss, task, settings)


def _report(state: dict[str, Any], loss: float, task: Task, settings: Settings) -> None:
    import torch
    from ray import train

    metrics = {"epoch": float(state["epoch"]), "validation_loss": loss}
    if train.get_context().get_world_rank() != 0:
        train.report(metrics)
        return
    task.say((state["epoch"] + 1) / settings.epochs, metrics)
    with tempfile.TemporaryDirectory() as directory:
        torch.save(state, Path(directory) / CHECKPOINT)
        train.report(metrics, checkpoint=train.Checkpoint.from_directory(directory))


def _validation_loss(model: Any, config: dict[str, Any], device: Any) -> float:
    """Mean loss over all workers' validation rows, in nats or squared standard deviations."""
    import torch
    from torch import distributed

    model.eval()
    total = torch.zeros(2, dtype=torch.float64, device=device)
    with torch.no_grad():
        for x_BF, y_B in _batches(config, "validation", 0):  # noqa: N806
            loss = _loss(model(x_BF.to(device)), y_B.to(device), config)
            total += torch.tensor([loss.item() * len(y_B), len(y_B)], dtype=torch.float64, device=device)
    if distributed.is_initialized():
        distributed.all_reduce(total)
    return float(total[0] / total[1])


def _loss(answer: "Tensor", label: "Tensor", config: dict[str, Any]) -> "Tensor":
    from torch.nn import functional

    if config["task"].objective is Objective.BINARY_CLASSIFICATION:
        return functional.binary_cross_entropy_with_logits(answer, label)
    return functional.mse_loss(answer, (label - config["mean"]) / config["scale"])


def _batches(config: dict[str, Any], part: str, epoch: int) -> Iterator[Batch]:
    """This worker's share of a part, in batches; of the training part in another order every epoch."""
    from ray import train

    settings, seed = config["settings"], config["task"].seed + epoch
    if part in config:
        yield from _array_batches(config[part], part, settings.batch_size, seed)
        return
    shard = train.get_dataset_shard(part)
    shuffle = {"local_shuffle_buffer_size": 20 * settings.batch_size, "local_shuffle_seed": seed}
    for batch in shard.iter_batches(
        batch_size=settings.batch_size, batch_format="pyarrow", **(shuffle if part == "train" else {})
    ):
        yield _tensors(*arrays(pa.table(batch)))


def _array_batches(reference: Any, part: str, size: int, seed: int) -> Iterator[Batch]:
    import ray
    from ray import train

    x_NF, y_N = ray.get(reference)  # noqa: N806 - N rows
    rank, workers = train.get_context().get_world_rank(), train.get_context().get_world_size()
    order = np.arange(len(y_N))
    if part == "train":
        # Workers step together, so each takes equally many rows.
        order = np.random.default_rng(seed).permutation(len(y_N))[: len(y_N) // workers * workers]
    mine = order[rank::workers]
    for start in range(0, len(mine), size):
        chosen = mine[start : start + size]
        yield _tensors(x_NF[chosen], y_N[chosen])


def _tensors(x: NDArray[np.float32], y: NDArray[np.float64]) -> Batch:
    import torch

    # Copied: what Ray hands out is read-only.
    return torch.from_numpy(x.copy()), torch.from_numpy(y.astype(np.float32))


def _label_scale(train: Rows, task: Task) -> dict[str, float]:
    if task.objective is Objective.BINARY_CLASSIFICATION:
        return {"mean": 0.0, "scale": 1.0}
    labels = train.map(lambda batch: batch.select(["y"])).collect()["y"].to_numpy()
    return {"mean": float(labels.mean()), "scale": float(labels.std()) or 1.0}


def _settings(parameters: Parameters) -> Settings:
    given = merged(DEFAULTS, parameters)
    try:
        hidden = tuple(int(size) for size in str(given["hidden"]).split(","))
    except ValueError:
        raise ParameterError(f"hidden is {given['hidden']!r}; expected layer sizes, such as 64,32") from None
    return Settings(
        epochs=int(given["epochs"]),
        patience=int(given["patience"]),
        batch_size=int(given["batch_size"]),
        learning_rate=float(given["learning_rate"]),
        weight_decay=float(given["weight_decay"]),
        hidden=hidden,
        dropout=float(given["dropout"]),
    )


def _network(config: dict[str, Any]) -> "TabularNetwork":
    from ray_jobs.networks import TabularNetwork

    return TabularNetwork(config["task"].preparation, config["settings"].hidden, config["settings"].dropout)


def _exported(weights: dict[str, "Tensor"], config: dict[str, Any]) -> bytes:
    from ray_jobs.networks import Scoring, to_onnx

    task, network = config["task"], _network(config)
    network.load_state_dict(weights)
    return to_onnx(Scoring(network, task.objective, config["mean"], config["scale"]), len(task.preparation.columns))


def _load(directory: Path) -> dict[str, Any]:
    import torch

    state: dict[str, Any] = torch.load(directory / CHECKPOINT, weights_only=True, map_location="cpu")
    return state
