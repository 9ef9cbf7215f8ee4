"""What changes of a signature break those who ask, and what does not."""

import pytest

from contracts.bundle import DataType, Signature, TensorSpec
from contracts.pipeline import NonFinite
from everloop.bundle.signatures import signature_breaks

DISTANCE = TensorSpec(name="distance", datatype=DataType.FP64, nullable=True)
CARRIER = TensorSpec(name="carrier", datatype=DataType.BYTES)
SCORE = TensorSpec(name="score", datatype=DataType.FP64)
KNOWN = Signature(inputs=(DISTANCE, CARRIER), outputs=(SCORE,))


def _with(*inputs: TensorSpec, output: TensorSpec = SCORE) -> Signature:
    return Signature(inputs=inputs, outputs=(output,))


@pytest.mark.parametrize(
    ("given", "breaks"),
    [
        (_with(DISTANCE), ("input carrier is no longer taken",)),
        (_with(DISTANCE, CARRIER, DISTANCE.model_copy(update={"name": "wind"})), ("input wind must be given",)),
        (
            _with(DISTANCE.model_copy(update={"datatype": DataType.INT64}), CARRIER),
            ("input distance was FP64, is INT64",),
        ),
        (_with(DISTANCE.model_copy(update={"nullable": False}), CARRIER), ("input distance may no longer be null",)),
        (
            _with(DISTANCE.model_copy(update={"non_finite": NonFinite.REFUSE}), CARRIER),
            ("input distance takes fewer of the values that are no finite number",),
        ),
        (
            _with(DISTANCE.model_copy(update={"shape": (-1, 2)}), CARRIER),
            ("input distance had the shape [-1], has [-1, 2]",),
        ),
        (_with(DISTANCE, CARRIER, output=SCORE.model_copy(update={"name": "answer"})), ("output score is gone",)),
        (
            _with(DISTANCE, CARRIER, output=SCORE.model_copy(update={"datatype": DataType.INT64})),
            ("output score was FP64, is INT64",),
        ),
    ],
)
def test_what_would_fail_is_named(given: Signature, breaks: tuple[str, ...]) -> None:
    assert signature_breaks(KNOWN, given) == breaks


@pytest.mark.parametrize(
    "given",
    [
        KNOWN,
        _with(CARRIER, DISTANCE),
        _with(DISTANCE, CARRIER.model_copy(update={"nullable": True})),
        _with(DISTANCE.model_copy(update={"non_finite": NonFinite.MISSING}), CARRIER),
        Signature(inputs=(DISTANCE, CARRIER), outputs=(SCORE, SCORE.model_copy(update={"name": "margin"}))),
    ],
)
def test_what_takes_and_gives_no_less_breaks_nobody(given: Signature) -> None:
    assert signature_breaks(KNOWN, given) == ()
