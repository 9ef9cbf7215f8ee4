"""What the demo heard on the bus, turned into the numbers it tells."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import TypeVar
from uuid import UUID

from contracts.envelope import Envelope
from contracts.gates import AbsoluteGate, ChampionGate
from contracts.ingestion import DatasetIngested
from contracts.message import Message
from contracts.monitoring import DriftDetected, QualityDegraded
from contracts.pipeline import TriggerKind
from contracts.registry import GateVerdict, ModelVersionGatesEvaluated, ModelVersionPromoted, ModelVersionRejected
from contracts.serving import RolloutCompleted
from contracts.training import TrainingRunStarted, TrainingRunSucceeded
from everloop.client import Heard

M = TypeVar("M", bound=Message)

STAGES = ("ingestion", "decision", "training", "registry", "serving")


@dataclass(slots=True)
class Story:
    """Everything said so far, oldest first, and when each file was handed in."""

    said: list[Heard] = field(default_factory=list)
    handed_in: dict[str, datetime] = field(default_factory=dict)

    def of(self, kind: type[M], *, start: int = 0) -> Iterator[tuple[Envelope, M]]:
        """Go through the messages of one kind said since a position in ``said``."""
        for one in self.said[start:]:
            if isinstance(one.message, kind):
                yield one.envelope, one.message

    @property
    def runs(self) -> dict[UUID, TrainingRunStarted]:
        """Every run that began, by id."""
        return {event.run_id: event for _, event in self.of(TrainingRunStarted)}

    @property
    def retrainings_from_monitoring(self) -> int:
        """How many runs a monitor's fact caused."""
        return sum(run.cause.kind in {TriggerKind.DRIFT, TriggerKind.QUALITY} for run in self.runs.values())

    def loop_latency_s(self) -> dict[str, float]:
        """Seconds from handing in a file to answering with the model it led to, by stage.

        Returns:
            The median over all promotions of each stage and of their total; empty before the first.
        """
        turns = [turn for _, event in self.of(ModelVersionPromoted) if (turn := self._turn(event))]
        if not turns:
            return {}
        stages = {name: round(median(turn[place] for turn in turns), 3) for place, name in enumerate(STAGES)}
        return {"total": round(median(map(sum, turns)), 3), **stages}

    def decision(self, start: int) -> str:
        """Say in a few words what the loop decided since a position in ``said``."""
        words = []
        runs = self.runs
        for _, refused in self.of(ModelVersionRejected, start=start):
            words.append(f"{_name(runs, refused.run_id, refused.version)} refused: {self._failed_gates(refused)}")
        for _, promoted in self.of(ModelVersionPromoted, start=start):
            words.append(f"{_name(runs, promoted.run_id, promoted.version)} promoted")
        return "; ".join(words) or "champion stays: no run"

    def drift(self, start: int) -> str:
        """Say in a few words what the monitors said since a position in ``said``."""
        words = []
        drifts = [event for _, event in self.of(DriftDetected, start=start)]
        if drifts:
            strongest = max(drifts, key=lambda event: event.statistic)
            words.append(f"{len(drifts)} x drift ({strongest.shifts[0].feature})")
        degraded = [event for _, event in self.of(QualityDegraded, start=start)]
        if degraded:
            worst = min(degraded, key=lambda event: event.value)
            words.append(f"{len(degraded)} x quality ({worst.metric} {worst.value:.3f})")
        return ", ".join(words) or "quiet"

    def _turn(self, promoted: ModelVersionPromoted) -> tuple[float, ...] | None:
        started = next(((e, m) for e, m in self.of(TrainingRunStarted) if m.run_id == promoted.run_id), None)
        succeeded = next((e for e, m in self.of(TrainingRunSucceeded) if m.run_id == promoted.run_id), None)
        decided = next((e for e, m in self.of(ModelVersionPromoted) if m is promoted), None)
        answering = next((e for e, m in self.of(RolloutCompleted) if m.version == promoted.version), None)
        if not (started and succeeded and decided and answering):
            return None
        ingested = next(
            (e for e, m in self.of(DatasetIngested) if m.dataset_version == started[1].dataset_version), None
        )
        handed_in = ingested and self.handed_in.get(ingested.correlationid or "")
        if not (ingested and handed_in):
            return None
        times = (handed_in, ingested.time, started[0].time, succeeded.time, decided.time, answering.time)
        return tuple((later - earlier).total_seconds() for earlier, later in pairwise(times))

    def _failed_gates(self, refused: ModelVersionRejected) -> str:
        for _, event in self.of(ModelVersionGatesEvaluated):
            if event.version == refused.version and not event.passed:
                return ", ".join(_shortly(verdict) for verdict in event.verdicts if not verdict.passed)
        return refused.reason


def _shortly(verdict: GateVerdict) -> str:
    match verdict.gate:
        case AbsoluteGate(metric=metric) | ChampionGate(metric=metric, confidence=None):
            if verdict.value is not None and verdict.threshold is not None:
                return f"{metric} {verdict.value:.4g}, needed {verdict.threshold:.4g}"
    return verdict.explanation


def _name(runs: dict[UUID, TrainingRunStarted], run_id: UUID, version: int | None) -> str:
    cause = runs[run_id].cause.kind.value if run_id in runs else "unknown cause"
    return f"{cause} → v{version}"
