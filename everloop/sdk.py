"""What a pipeline file is written with: a declaration of a model's life and one function for its features."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from contracts.gates import AbsoluteGate, ChampionGate, CostGate, LeakageGate, SchemaGate, SliceGate
from contracts.inference import Streaming
from contracts.pipeline import (
    Backoff,
    Budget,
    Column,
    ColumnRole,
    ColumnType,
    DatasetContract,
    Monitors,
    NonFinite,
    Objective,
    PipelineDefinition,
    Policy,
    Promotion,
    Retraining,
    TimeSplit,
    Trainer,
    TrainerName,
    Trigger,
    TriggerKind,
)
from contracts.precompute import Precompute
from contracts.rollout import Canary, Guard, Rollout, Scaling, Shadow, WhenQuiet

__all__ = [
    "AbsoluteGate",
    "Backoff",
    "Budget",
    "Canary",
    "ChampionGate",
    "Column",
    "ColumnRole",
    "ColumnType",
    "CostGate",
    "DatasetContract",
    "Features",
    "Guard",
    "LeakageGate",
    "Monitors",
    "NonFinite",
    "Objective",
    "Pipeline",
    "PipelineDefinition",
    "Policy",
    "Precompute",
    "Promotion",
    "Retraining",
    "Rollout",
    "Scaling",
    "SchemaGate",
    "Shadow",
    "SliceGate",
    "Streaming",
    "TimeSplit",
    "Trainer",
    "TrainerName",
    "Trigger",
    "TriggerKind",
    "WhenQuiet",
]

Features = Callable[[pa.Table], pa.Table]
"""Turns the dataset's feature columns into the model's, row by row.

Each row's answer may depend on that row only, never on its neighbours: the function sees a single row when it
serves and thousands when it trains, and must say the same. Numbers, booleans and strings come out; strings
are prepared afterwards, fitted on the training split only.
"""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline file's one export, under the name ``pipeline``."""

    definition: PipelineDefinition
    features: Features
