"""Experiments, runs and what they log, in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.registry.keys import key_of
from services.registry.tracking.domain import (
    DatasetInput,
    Experiment,
    Metric,
    ModelOutput,
    Run,
    RunRecord,
    Stage,
    TagChange,
    latest,
)


class InMemoryExperiments:
    """Experiments in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, Experiment] = {}

    async def add(
        self, name: str, *, artifact_location: str | None, tags: Mapping[str, str], at_ms: int
    ) -> Experiment | None:
        if await self.named(name):
            return None
        number = str(len(self.kept) + 1)
        location = artifact_location or f"mlflow-artifacts:/{number}"
        made = Experiment(number, name, key_of(name), location, Stage.ACTIVE, at_ms, at_ms, dict(tags))
        self.kept[number] = made
        return made

    async def get(self, experiment_id: str) -> Experiment | None:
        return self.kept.get(experiment_id)

    async def named(self, name: str) -> Experiment | None:
        return next((one for one in self.kept.values() if one.name == name), None)

    async def put(self, experiment: Experiment) -> bool:
        other = await self.named(experiment.name)
        if other and other.id != experiment.id:
            return False
        self.kept[experiment.id] = experiment
        return True

    async def set_tag(self, experiment_id: str, key: str, value: str | None) -> str | None:
        experiment = self.kept[experiment_id]
        tags = dict(experiment.tags)
        previous = tags.pop(key, None)
        if value is not None:
            tags[key] = value
        self.kept[experiment_id] = replace(experiment, tags=tags)
        return previous


@dataclass
class Logged:
    """What one run logged."""

    metrics: list[Metric] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: list[DatasetInput] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    made: list[ModelOutput] = field(default_factory=list)


class InMemoryRuns:
    """Runs in a dictionary; also what they log, and the history of their metrics."""

    def __init__(self) -> None:
        self.kept: dict[str, Run] = {}
        self.logged: dict[str, Logged] = {}

    async def add(self, run: Run, tags: Mapping[str, str]) -> bool:
        if run.id in self.kept:
            return False
        self.kept[run.id], self.logged[run.id] = run, Logged(tags=dict(tags))
        return True

    async def get(self, run_id: str) -> Run | None:
        return self.kept.get(run_id)

    async def hold(self, run_id: str) -> Run | None:
        return self.kept.get(run_id)

    async def put(self, run: Run) -> None:
        self.kept[run.id] = run

    async def stage_all(self, experiment_id: str, stage: Stage, at_ms: int) -> None:
        deleted_ms = at_ms if stage is Stage.DELETED else None
        for run in list(self.kept.values()):
            if run.experiment_id == experiment_id:
                self.kept[run.id] = replace(run, stage=stage, deleted_ms=deleted_ms)

    async def records(self, run_ids: Sequence[str]) -> dict[str, RunRecord]:
        known = {run_id: self.logged.get(run_id, Logged()) for run_id in run_ids}
        return {
            run_id: RunRecord(
                metrics=tuple(latest(logged.metrics)),
                params=dict(sorted(logged.params.items())),
                tags=dict(sorted(logged.tags.items())),
                datasets=tuple(logged.datasets),
                model_inputs=tuple(logged.used),
                model_outputs=tuple(logged.made),
            )
            for run_id, logged in known.items()
        }

    async def add_metrics(self, run: Run, metrics: Sequence[Metric]) -> None:
        points = self.logged[run.id].metrics
        points += [metric for metric in metrics if repr(metric) not in map(repr, points)]

    async def add_params(self, run_id: str, params: Mapping[str, str]) -> dict[str, str]:
        known = self.logged[run_id].params
        kept = {key: known[key] for key in params if known.get(key, params[key]) != params[key]}
        known |= {key: value for key, value in params.items() if key not in known}
        return kept

    async def set_tags(self, run_id: str, tags: Mapping[str, str | None]) -> tuple[TagChange, ...]:
        known = self.logged[run_id].tags
        changes = [TagChange(key, tags[key], known.get(key)) for key in sorted(tags) if tags[key] != known.get(key)]
        for change in changes:
            known.pop(change.key, None)
            if change.value is not None:
                known[change.key] = change.value
        return tuple(changes)

    async def add_datasets(self, run: Run, inputs: Sequence[DatasetInput]) -> tuple[DatasetInput, ...]:
        known = self.logged[run.id].datasets
        before = len(known)
        for one in inputs:
            if (one.dataset.name, one.dataset.digest) not in {
                (each.dataset.name, each.dataset.digest) for each in known
            }:
                known.append(one)
        return tuple(known[before:])

    async def add_models(self, run_id: str, *, used: Sequence[str] = (), made: Sequence[ModelOutput] = ()) -> None:
        logged = self.logged[run_id]
        logged.used += [one for one in used if one not in logged.used]
        logged.made += [one for one in made if one not in logged.made]


class InMemoryMetricHistory:
    """The points of the runs in memory."""

    def __init__(self, runs: InMemoryRuns) -> None:
        self._runs = runs

    async def of(self, run_id: str, key: str, *, offset: int = 0, limit: int | None = None) -> list[Metric]:
        points = sorted(self._of(run_id, key), key=lambda point: (point.timestamp_ms, point.step, point.value))
        return points[offset:][:limit]

    async def sampled(self, run_id: str, key: str, *, steps: tuple[int, int] | None, points: int) -> list[Metric]:
        first, last = steps or (-(2**63), 2**63)
        within = [point for point in self._of(run_id, key) if first <= point.step <= last]
        within.sort(key=lambda point: (point.step, point.timestamp_ms, point.value))
        final = len(within) - 1
        if final < points:
            return within
        if points == 1:
            return within[-1:]
        return [within[-(-part * final // (points - 1))] for part in range(points)]

    def _of(self, run_id: str, key: str) -> list[Metric]:
        return [point for point in self._runs.logged.get(run_id, Logged()).metrics if point.key == key]
