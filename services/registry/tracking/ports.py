"""What tracking needs from outside."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.registry.tracking.domain import (
    DatasetInput,
    Experiment,
    Metric,
    ModelOutput,
    Run,
    RunRecord,
    Stage,
    TagChange,
)


class Experiments(Protocol):
    """The experiments, deleted ones included."""

    async def add(
        self, name: str, *, artifact_location: str | None, tags: Mapping[str, str], at_ms: int
    ) -> Experiment | None:
        """Make an experiment; None if the name is taken."""

    async def get(self, experiment_id: str) -> Experiment | None:
        """Find an experiment."""

    async def named(self, name: str) -> Experiment | None:
        """Find an experiment by its name."""

    async def put(self, experiment: Experiment) -> bool:
        """Keep its name and stage; False if the name is taken."""

    async def set_tag(self, experiment_id: str, key: str, value: str | None) -> str | None:
        """Set a tag, or remove it.

        Returns:
            What it was before; None if it was not there.
        """


class Runs(Protocol):
    """The runs, deleted ones included."""

    async def add(self, run: Run, tags: Mapping[str, str]) -> bool:
        """Keep a new run; False if it was there."""

    async def get(self, run_id: str) -> Run | None:
        """Find a run."""

    async def hold(self, run_id: str) -> Run | None:
        """Find a run that must not be collected before this transaction ends."""

    async def put(self, run: Run) -> None:
        """Keep its name, status, end and stage."""

    async def stage_all(self, experiment_id: str, stage: Stage, at_ms: int) -> None:
        """Delete or restore every run of an experiment."""

    async def records(self, run_ids: Sequence[str]) -> dict[str, RunRecord]:
        """Read what runs have logged."""


class Log(Protocol):
    """What runs log. Who writes to it holds the run."""

    async def add_metrics(self, run: Run, metrics: Sequence[Metric]) -> None:
        """Add points; those already there are not added again."""

    async def add_params(self, run_id: str, params: Mapping[str, str]) -> dict[str, str]:
        """Add parameters that are not there yet.

        Returns:
            Those that were there with another value, which they keep.
        """

    async def set_tags(self, run_id: str, tags: Mapping[str, str | None]) -> tuple[TagChange, ...]:
        """Set tags, or remove them; tells what changed."""

    async def add_datasets(self, run: Run, inputs: Sequence[DatasetInput]) -> tuple[DatasetInput, ...]:
        """Add datasets that the run used; tells which are new to it."""

    async def add_models(self, run_id: str, *, used: Sequence[str] = (), made: Sequence[ModelOutput] = ()) -> None:
        """Add logged models that the run used or made."""


class MetricHistory(Protocol):
    """Every point of every metric."""

    async def of(self, run_id: str, key: str, *, offset: int = 0, limit: int | None = None) -> list[Metric]:
        """List a metric's points by time, step and value."""

    async def sampled(self, run_id: str, key: str, *, steps: tuple[int, int] | None, points: int) -> list[Metric]:
        """List at most so many of a metric's points between two steps, evenly, the first and the last among them."""
