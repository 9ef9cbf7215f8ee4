"""Types of what MLflow's clients say, and how the values they know are written."""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from contracts.message import utc_now
from services.registry.tracking.domain import Experiment, Metric, storable

Required = Annotated[str, StringConstraints(min_length=1)]
"""A text that must say something: to protobuf an empty one is none."""
Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Value = Annotated[float, AfterValidator(storable)]


class Part(BaseModel):
    """An object within arguments."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Entry(Part):
    """A parameter or a tag."""

    key: Required
    value: str = ""


def now_ms() -> int:
    """Read the wall clock, in milliseconds since 1970."""
    return int(utc_now().timestamp() * 1000)


def texts(entries: Iterable[Entry]) -> dict[str, str]:
    """Read parameters or tags; of those with one key the last counts."""
    return {entry.key: entry.value for entry in entries}


def entries(texts: Mapping[str, str]) -> list[dict[str, str]]:
    """Write parameters or tags."""
    return [{"key": key, "value": value} for key, value in texts.items()]


def number(value: float) -> float | str:
    """Write a number, which JSON has no way to say is none."""
    return "NaN" if math.isnan(value) else value


def metric(point: Metric) -> dict[str, Any]:
    """Write a point of a metric."""
    return {"key": point.key, "value": number(point.value), "timestamp": point.timestamp_ms, "step": point.step}


def experiment(known: Experiment) -> dict[str, Any]:
    """Write an experiment."""
    written = {
        "experiment_id": known.id,
        "name": known.name,
        "artifact_location": known.artifact_location,
        "lifecycle_stage": known.stage.value,
        "last_update_time": known.updated_ms,
        "creation_time": known.created_ms,
    }
    return {**written, "tags": entries(known.tags)} if known.tags else written
