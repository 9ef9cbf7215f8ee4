"""What training needs from outside: its own memory, the cluster, and the files of its runs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from contracts.jobs import Progress, TrainingSpec
from services.training.budget import Spent
from services.training.domain import Dataset, HeardCause, Pipeline
from services.training.run import Result, Run


class Pipelines(Protocol):
    """Registered pipelines, every revision of them, and their dataset versions."""

    async def get(self, name: str) -> Pipeline | None:
        """Get a pipeline as it is in force."""

    async def claim(self, name: str) -> Pipeline | None:
        """Get a pipeline, holding off others who would decide about it until the transaction ends."""

    async def all(self) -> list[Pipeline]:
        """List the pipelines by name."""

    async def save(self, pipeline: Pipeline) -> None:
        """Keep a pipeline; a revision not seen before also becomes part of its history."""

    async def revisions(self, name: str) -> list[Pipeline]:
        """List what was ever in force, newest first."""

    async def add_dataset(self, pipeline: str, dataset: Dataset) -> None:
        """Keep a dataset version; keeping it again changes nothing."""

    async def dataset(self, pipeline: str, version: int | None = None) -> Dataset | None:
        """Get a dataset version, by default the newest."""

    async def new_rows(self, pipeline: str, after: int) -> int:
        """Count the rows that came with the versions after one."""


@dataclass(frozen=True, slots=True)
class History:
    """What a pipeline's runs so far mean for its next."""

    used: int | None = None
    """Newest dataset version a succeeded run used."""
    last_as_of: datetime | None = None
    """Data time of the cause of the latest automatic run."""
    labels: int = 0
    """Labels there were when the latest run began."""
    last_at: datetime | None = None
    """When the latest run began."""


class Runs(Protocol):
    """Training runs. No pipeline ever has two that are not finished."""

    async def get(self, run_id: UUID) -> Run | None:
        """Get a run."""

    async def claim(self, run_id: UUID) -> Run | None:
        """Get a run, holding off others who would change it until the transaction ends."""

    async def save(self, run: Run) -> None:
        """Keep a run.

        Raises:
            TransientError: The pipeline has another unfinished run, begun at the same moment.
        """

    async def active(self, pipeline: str) -> Run | None:
        """Get the pipeline's unfinished run."""

    async def unfinished(self) -> list[Run]:
        """List every run there is something to do for, oldest first."""

    async def recent(self, pipeline: str | None, *, limit: int) -> list[Run]:
        """List runs, newest first."""

    async def history(self, pipeline: str) -> History:
        """Sum up the pipeline's runs."""

    async def spent(self, pipeline: str, since: datetime) -> Spent:
        """Sum up what the runs took that began since a moment."""

    async def refused(self, pipeline: str, *, after: datetime) -> list[Run]:
        """List automatic runs whose candidates were refused in a row up to now, newest verdict first.

        The row begins after a moment, the latest promotion of any run's candidate, and the latest person's run.
        """

    async def of_version(self, pipeline: str, version: int) -> Run | None:
        """Get the run whose candidate is a version, once there is a verdict on it."""


class Causes(Protocol):
    """Causes heard, and what became of each."""

    async def get(self, pipeline: str, message_id: str) -> HeardCause | None:
        """Get a cause by the message that carried it."""

    async def save(self, heard: HeardCause) -> None:
        """Keep a cause."""

    async def due(self, pipeline: str) -> list[HeardCause]:
        """List the causes that wait, at most one of a kind, by the names of their kinds."""

    async def waiting(self) -> list[str]:
        """Name the pipelines that have a cause waiting."""

    async def last_scheduled(self, pipeline: str) -> datetime | None:
        """Say when the pipeline's schedule last spoke."""

    async def recent(self, pipeline: str | None, *, limit: int) -> list[HeardCause]:
        """List causes, newest first."""

    async def of_story(self, correlation_id: str) -> list[HeardCause]:
        """List the causes that belong to one story, newest first."""


class RunFiles(Protocol):
    """What a run reads and writes in the store. May raise ``TransientError`` while that cannot be reached."""

    def directory(self, run_id: UUID) -> str:
        """Write the URI below which everything of a run lies."""

    def spec_uri(self, spec: TrainingSpec) -> str:
        """Write the URI of a spec."""

    async def write_spec(self, spec: TrainingSpec) -> str:
        """Store a spec; return its URI. Storing the same again changes nothing."""

    async def progress(self, run: Run) -> Progress | None:
        """Read the newest line of progress; None without any."""

    async def result(self, run: Run) -> Result | None:
        """Read what the run's report says; None without one that can be read and is this run's."""
