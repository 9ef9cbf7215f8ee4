"""The data a pipeline learns from, declared column by column."""

from datetime import timedelta
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from contracts.model import ColumnName, Contract


class ColumnType(StrEnum):
    """Types a column of a dataset can be declared with."""

    INTEGER = "integer"
    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"


class ColumnRole(StrEnum):
    """What a column is for. Only features are known, and asked for, when a prediction is made."""

    FEATURE = "feature"
    LABEL = "label"
    EVENT_TIME = "event_time"
    LABEL_TIME = "label_time"
    ID = "id"
    EXTRA = "extra"


class NonFinite(StrEnum):
    """What the values of a number column that are no finite number mean: in files, requests and batches alike.

    Missing is as null: refused where the column is not nullable.
    """

    REFUSE = "refuse"
    """Neither NaN nor an infinity is ever right."""
    NAN_IS_MISSING = "nan_is_missing"
    """NaN is missing, as data frames and binary tensors have it; an infinity is a fault."""
    MISSING = "missing"
    """Both are missing."""


class Column(Contract):
    """One column of the dataset and what is expected of it."""

    name: ColumnName
    type: ColumnType
    role: ColumnRole = ColumnRole.FEATURE
    nullable: bool = False
    max_null_fraction: float = Field(default=1.0, ge=0, le=1, description="Share of a batch that may be null.")
    minimum: float | None = Field(default=None, description="Smallest value allowed, in the column's unit.")
    maximum: float | None = Field(default=None, description="Largest value allowed, in the column's unit.")
    categories: tuple[str, ...] | None = Field(default=None, description="The only values allowed, where closed.")
    non_finite: NonFinite = Field(default=NonFinite.NAN_IS_MISSING, description="What NaN and infinities are.")
    monitored: bool = Field(default=True, description="Whether drift of this column counts; not for calendar columns.")
    description: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.non_finite is not NonFinite.NAN_IS_MISSING and self.type is not ColumnType.NUMBER:
            raise ValueError(f"{self.name}: non_finite is for numbers, not for {self.type.value}")
        return self


class DatasetContract(Contract):
    """The data a pipeline learns from: one row per example, one event time, one label."""

    columns: tuple[Column, ...] = Field(min_length=2)
    unique: tuple[ColumnName, ...] = Field(default=(), description="Columns that together name a row once in a batch.")
    min_rows: int = Field(default=1, ge=1, description="Fewest rows of a batch.")
    max_age: timedelta | None = Field(
        default=None, description="Oldest the newest row may be when the batch arrives; unset: any age."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError("two columns have the same name")
        for role, most in ((ColumnRole.LABEL, 1), (ColumnRole.EVENT_TIME, 1), (ColumnRole.LABEL_TIME, 1)):
            if sum(column.role is role for column in self.columns) > most:
                raise ValueError(f"more than one column has the role {role.value}")
        if not any(column.role is ColumnRole.LABEL for column in self.columns):
            raise ValueError("no column has the role label")
        if not any(column.role is ColumnRole.EVENT_TIME for column in self.columns):
            raise ValueError("no column has the role event_time; splits and windows need one")
        if unknown := set(self.unique) - set(names):
            raise ValueError(f"unique names columns that are not declared: {', '.join(sorted(unknown))}")
        return self

    def of_role(self, role: ColumnRole) -> tuple[Column, ...]:
        """Columns of one role, in declared order."""
        return tuple(column for column in self.columns if column.role is role)

    @property
    def features(self) -> tuple[Column, ...]:
        """Columns a prediction request carries. The event time travels beside them, optional."""
        return self.of_role(ColumnRole.FEATURE)

    @property
    def label(self) -> Column:
        """The column to be predicted; null where the outcome never became known."""
        return self.of_role(ColumnRole.LABEL)[0]

    @property
    def event_time(self) -> Column:
        """The column saying when the example happened."""
        return self.of_role(ColumnRole.EVENT_TIME)[0]
