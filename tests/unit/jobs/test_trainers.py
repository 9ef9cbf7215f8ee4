import numpy as np
import pytest

from contracts.pipeline import Trainer, TrainerName
from ray_jobs import trainers

DEFAULTS = {"rounds": 10, "rate": 0.1, "kind": "target"}


def test_examples_come_apart_as_they_were_put_together() -> None:
    matrix = np.array([[1.0, np.nan], [3.0, 4.0], [5.0, 6.0]], dtype=np.float32)

    batch = trainers.examples(matrix, np.array([0.0, 1.0, 0.0]))

    x, y = trainers.arrays(batch.slice(1))
    np.testing.assert_array_equal(x, matrix[1:])
    np.testing.assert_array_equal(trainers.arrays(batch)[0], matrix)
    assert y.tolist() == [1.0, 0.0]


def test_given_parameters_lie_over_the_defaults() -> None:
    assert trainers.merged(DEFAULTS, {"rate": 1}) == {"rounds": 10, "rate": 1, "kind": "target"}


@pytest.mark.parametrize(
    ("given", "message"),
    [({"depth": 3}, "unknown parameters depth; there are kind, rate, rounds"), ({"rounds": 0.5}, "expected int")],
)
def test_a_parameter_that_is_not_taken_is_refused(given: dict[str, float], message: str) -> None:
    with pytest.raises(trainers.ParameterError, match=message):
        trainers.merged(DEFAULTS, given)


@pytest.mark.parametrize("name", TrainerName)
def test_every_declared_trainer_has_its_module(name: TrainerName) -> None:
    module = trainers.named(Trainer(name=name))

    assert module.encoding({"categories": "target"}).categories == "target"
    with pytest.raises(trainers.ParameterError, match=r"expected .*target"):
        module.encoding({"categories": "by hand"})
