"""A trained model answers in onnxruntime as it answers in the library that trained it."""

from contextlib import nullcontext
from pathlib import Path

import lightgbm
import numpy as np
import onnxruntime
import pytest

from contracts.bundle import NumericColumn, Preparation
from contracts.pipeline import Objective, Trainer, TrainerName
from ray_jobs import trainers
from ray_jobs.progress import Stages
from ray_jobs.rows import InProcessRows
from ray_jobs.trainers import lightgbm as trees

ROWS, COLUMNS = 4000, 5


def data(*, missing: bool) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(3)
    x = chance.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    # Neighbouring floats: a threshold between two of them is no float32 itself.
    x[:, 1] = np.nextafter(np.float32(1.0), np.float32(2.0), dtype=np.float32) * chance.integers(0, 2, ROWS)
    x[:, 2] = np.where(chance.random(ROWS) < 0.5, np.float32(0.1), np.nextafter(np.float32(0.1), np.float32(1)))
    if missing:
        x[chance.random(x.shape) < 0.1] = np.nan
    y = np.nan_to_num(x[:, 0]) + 2 * (x[:, 2] > np.float32(0.1)) + chance.normal(size=ROWS)
    return x, y


@pytest.mark.parametrize("missing", [True, False])
@pytest.mark.parametrize("objective", Objective)
def test_trees_answer_the_same_in_both_runtimes(objective: Objective, *, missing: bool) -> None:
    x, y = data(missing=missing)
    binary = objective is Objective.BINARY_CLASSIFICATION
    label = (y > 0).astype(float) if binary else y
    options = {"objective": "binary" if binary else "regression", "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(options, lightgbm.Dataset(x, label), num_boost_round=50)

    model = trees.to_onnx(booster.model_to_string(), objective)

    asked = np.concatenate([x, np.full((1, COLUMNS), np.nan, np.float32)])
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (scores,) = session.run(["score"], {"features": asked})
    np.testing.assert_allclose(scores.reshape(-1), booster.predict(asked), atol=1e-5)


@pytest.mark.parametrize("objective", Objective)
def test_a_batch_of_any_size_is_answered_without_a_warning(
    objective: Objective, capfd: pytest.CaptureFixture[str]
) -> None:
    x, y = data(missing=True)
    options = {"objective": "binary" if objective is Objective.BINARY_CLASSIFICATION else "regression", "verbose": -1}
    booster = lightgbm.train(options, lightgbm.Dataset(x, (y > 0).astype(float)), num_boost_round=5)
    session = onnxruntime.InferenceSession(trees.to_onnx(booster.model_to_string(), objective))

    shapes = [session.run(None, {"features": x[:rows]})[0].shape[0] for rows in (1, 2, 700)]

    (output,) = session.get_outputs()
    assert (output.name, output.shape[0]) == ("score", "rows")
    assert shapes == [1, 2, 700]
    assert "[W:onnxruntime" not in capfd.readouterr().err


def test_trees_that_learned_nothing_still_answer() -> None:
    x, y = data(missing=False)
    options = {"objective": "binary", "verbose": -1, "min_data_in_leaf": ROWS}
    booster = lightgbm.train(options, lightgbm.Dataset(x, (y > 0).astype(float)), num_boost_round=2)

    session = onnxruntime.InferenceSession(trees.to_onnx(booster.model_to_string(), Objective.BINARY_CLASSIFICATION))

    (scores,) = session.run(["score"], {"features": x[:3]})
    np.testing.assert_allclose(scores, booster.predict(x[:3]), atol=1e-5)


def test_the_trainer_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    x, y = data(missing=True)
    rows = InProcessRows(trainers.examples(x, (y > 0).astype(float)))
    names = [f"c{place}" for place in range(COLUMNS)]
    with Stages(str(tmp_path / "progress.jsonl"), lambda _: nullcontext()).stage("fit", 0, 1) as tell:
        task = trainers.Task(
            objective=Objective.BINARY_CLASSIFICATION,
            preparation=Preparation(columns=tuple(NumericColumn(name=name) for name in names)),
            parameters={"bagging_fraction": 0.7, "bagging_freq": 1, "rounds": 40},
            seed=5,
            resources=Trainer(name=TrainerName.LIGHTGBM),
            checkpoints_uri=str(tmp_path),
            say=tell,
        )
        first, second = trees.fit(rows, rows, task), trees.fit(rows, rows, task)

    assert first.model == second.model


def test_a_network_answers_the_same_in_both_runtimes(capfd: pytest.CaptureFixture[str]) -> None:
    import torch

    from contracts.bundle import OrdinalColumn
    from ray_jobs.networks import Scoring, TabularNetwork, to_onnx

    torch.manual_seed(1)
    columns = (NumericColumn(name="size"), OrdinalColumn(name="shop", vocabulary=("a", "b", "c")))
    network = TabularNetwork(Preparation(columns=columns), (8, 4), 0.1)
    scoring = Scoring(network, Objective.BINARY_CLASSIFICATION, 0.0, 1.0).eval()
    x = np.array([[0.5, 0], [1.5, 2], [-3.0, -1], [0.0, 1]], dtype=np.float32)

    model = to_onnx(scoring, 2)

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["score"]
    for asked in (x, x[:1]):
        (scores,) = session.run(["score"], {"features": asked})
        with torch.no_grad():
            np.testing.assert_allclose(scores, scoring(torch.from_numpy(asked)).numpy(), atol=1e-6)
    assert "[W:onnxruntime" not in capfd.readouterr().err
    assert to_onnx(scoring, 2) == model
