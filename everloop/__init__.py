"""Everloop keeps machine-learning models alive after their first release.

Write a pipeline with the names re-exported here; load a model version anywhere with ``load_model``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from everloop.bundle.model import Model as Model
    from everloop.models import LoadedModel as LoadedModel
    from everloop.models import load_model as load_model
    from everloop.sdk import AbsoluteGate as AbsoluteGate
    from everloop.sdk import Backoff as Backoff
    from everloop.sdk import Budget as Budget
    from everloop.sdk import Canary as Canary
    from everloop.sdk import ChampionGate as ChampionGate
    from everloop.sdk import Column as Column
    from everloop.sdk import ColumnRole as ColumnRole
    from everloop.sdk import ColumnType as ColumnType
    from everloop.sdk import CostGate as CostGate
    from everloop.sdk import DatasetContract as DatasetContract
    from everloop.sdk import Guard as Guard
    from everloop.sdk import LeakageGate as LeakageGate
    from everloop.sdk import Monitors as Monitors
    from everloop.sdk import NonFinite as NonFinite
    from everloop.sdk import Objective as Objective
    from everloop.sdk import Pipeline as Pipeline
    from everloop.sdk import PipelineDefinition as PipelineDefinition
    from everloop.sdk import Policy as Policy
    from everloop.sdk import Precompute as Precompute
    from everloop.sdk import Promotion as Promotion
    from everloop.sdk import Retraining as Retraining
    from everloop.sdk import Rollout as Rollout
    from everloop.sdk import Scaling as Scaling
    from everloop.sdk import SchemaGate as SchemaGate
    from everloop.sdk import Shadow as Shadow
    from everloop.sdk import SliceGate as SliceGate
    from everloop.sdk import Streaming as Streaming
    from everloop.sdk import TimeSplit as TimeSplit
    from everloop.sdk import Trainer as Trainer
    from everloop.sdk import TrainerName as TrainerName
    from everloop.sdk import Trigger as Trigger
    from everloop.sdk import TriggerKind as TriggerKind
    from everloop.sdk import WhenQuiet as WhenQuiet


_ELSEWHERE = {"Model": "everloop.bundle.model", "LoadedModel": "everloop.models", "load_model": "everloop.models"}


def __getattr__(name: str) -> object:
    # Importing the package must stay free: services and jobs import its modules without wanting them all.
    if name != "load_model" and not name[0].isupper():
        raise AttributeError(f"module 'everloop' has no attribute {name!r}")
    module = _ELSEWHERE.get(name, "everloop.sdk")
    try:
        return getattr(import_module(module), name)
    except AttributeError:
        raise AttributeError(f"module 'everloop' has no attribute {name!r}") from None
