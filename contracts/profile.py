"""Summaries of data as integer counts: what a dataset looks like, and what production is compared with.

Counts are taken in cells that are frozen from the reference, so that summaries merge by addition.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from contracts.model import Contract
from contracts.pipeline import ColumnName, ColumnType


class ColumnProfile(Contract):
    """What one column of a batch looked like."""

    name: ColumnName
    type: ColumnType
    rows: int = Field(ge=0)
    missing: int = Field(ge=0)
    distinct: int | None = Field(default=None, description="Distinct values, missing not counted.")
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    quantiles: dict[str, float] = Field(default_factory=dict, description="By level: 0.05, 0.25, 0.5, 0.75, 0.95.")
    histogram_edges: tuple[float, ...] = ()
    histogram_counts: tuple[int, ...] = ()
    top: tuple[tuple[str, int], ...] = Field(default=(), description="Most frequent values with their counts.")


class DatasetProfile(Contract):
    """What one batch looked like, column by column."""

    rows: int
    first_event: AwareDatetime
    last_event: AwareDatetime
    columns: tuple[ColumnProfile, ...]


class NumericCells(Contract):
    """Cells of a number: between neighbouring edges, open at both ends, and one for missing.

    Value x falls in cell ``searchsorted(edges, x, side="right")``; missing is the last cell, so there are
    ``len(edges) + 2`` cells.
    """

    kind: Literal["numeric"] = "numeric"
    edges: tuple[float, ...] = Field(description="Ascending quantiles of the reference, without repeats.")


class CategoryCells(Contract):
    """Cells of a category: one per listed value, then other (listed nowhere but seen in the reference),
    unseen (never in the reference), missing: ``len(values) + 3`` cells."""

    kind: Literal["category"] = "category"
    values: tuple[str, ...] = Field(description="Most frequent values of the reference.")
    others: tuple[str, ...] = Field(default=(), max_length=5000, description="Seen in the reference, not listed.")


Cells = Annotated[NumericCells | CategoryCells, Field(discriminator="kind")]


class FeatureReference(Contract):
    """One feature (or the score) in the reference, block of time by block of time."""

    name: str
    cells: Cells
    block_counts: tuple[tuple[int, ...], ...] = Field(description="Per block, rows in each cell.")


class Reference(Contract):
    """What production is compared with: the version's own training data, in blocks of time.

    Inputs are counted over all rows the run read, scores over rows it did not train on.
    """

    block_starts: tuple[AwareDatetime, ...] = Field(description="Start of each block of the inputs, ascending.")
    block_seconds: float = Field(gt=0, description="Length of a block; the window of the pipeline's monitors.")
    inputs: tuple[FeatureReference, ...]
    score_block_starts: tuple[AwareDatetime, ...] = Field(description="Start of each block of the scores.")
    score: FeatureReference
    quality: dict[str, float] = Field(description="Metrics on the held-out data.")
    quality_blocks: dict[str, tuple[float, ...]] = Field(
        default_factory=dict,
        description="The same in each block of the rows it did not train on that has as many labels as a window needs.",
    )
