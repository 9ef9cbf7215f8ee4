"""A small network for tables: numbers as they were prepared, categories as learned vectors."""

import logging
import math
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from contracts.bundle import OrdinalColumn, Preparation
from contracts.pipeline import Objective
from everloop.bundle.model import FEATURES
from everloop.bundle.rows import SCORE

OPSET = 18
MAX_VECTOR = 16


class TabularNetwork(nn.Module):  # type: ignore[misc]  # mypy does not follow torch
    """Perceptron over numbers and embedded categories.

    B rows, F prepared columns: an ordinal column holds the category's place, or -1 for unseen and missing.
    """

    def __init__(self, preparation: Preparation, hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        ordinal = [isinstance(column, OrdinalColumn) for column in preparation.columns]
        self.numbers = [place for place, is_ordinal in enumerate(ordinal) if not is_ordinal]
        self.categories = [place for place, is_ordinal in enumerate(ordinal) if is_ordinal]
        sizes = [len(column.vocabulary) + 1 for column in preparation.columns if isinstance(column, OrdinalColumn)]
        widths = [min(MAX_VECTOR, math.ceil(size**0.5)) for size in sizes]
        self.vectors = nn.ModuleList(nn.Embedding(size, width) for size, width in zip(sizes, widths, strict=True))
        layers: list[nn.Module] = []
        width = len(self.numbers) + sum(widths)
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, x_BF: Tensor) -> Tensor:  # noqa: N803 - the suffix is the shape
        """Give one number per row, shape (B,): a logit, or the standardised value."""
        parts = [x_BF[:, self.numbers]]
        for place, vectors in zip(self.categories, self.vectors, strict=True):
            parts.append(vectors(x_BF[:, place].long() + 1))
        answer: Tensor = self.layers(torch.cat(parts, dim=1)).squeeze(1)
        return answer


class Scoring(nn.Module):  # type: ignore[misc]
    """A trained network whose answers are scores: probabilities, or values in the label's unit."""

    def __init__(self, network: TabularNetwork, objective: Objective, mean: float, scale: float) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self.mean = mean
        self.scale = scale

    def forward(self, x_BF: Tensor) -> Tensor:  # noqa: N803
        """Give scores, shape (B,)."""
        answer_B = self.network(x_BF)  # noqa: N806
        if self.objective is Objective.BINARY_CLASSIFICATION:
            return torch.sigmoid(answer_B)
        return torch.as_tensor(answer_B * self.scale + self.mean)


def to_onnx(scoring: Scoring, columns: int) -> bytes:
    """Export to ONNX with one input and one output, for any number of rows.

    The same weights give the same bytes: where each operation came from in the source is left out.
    """
    example = torch.zeros(2, columns)
    # It looks for operators of packages that nobody needs here, and says so at length.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # The exporter warns of its own future.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            scoring.eval().cpu(),
            (example,),
            input_names=[FEATURES],
            output_names=[SCORE],
            dynamic_shapes=({0: torch.export.Dim("rows")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for part in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
    ):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    model.producer_version = ""
    return bytes(model.SerializeToString(deterministic=True))
