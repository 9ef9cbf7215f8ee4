"""What searches need from outside: the kept things, found and in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from contracts.model import PipelineName
from services.registry.logged_models.domain import LoggedModel
from services.registry.tracking.domain import Experiment, Run, Stage

T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        filter: Which things, in the filter language; empty: all.
        order: What they are sorted by.
        limit: How many at once, at least 1.
        token: Goes on where a page ended; empty: from the start.
    """

    filter: str
    order: tuple[str, ...]
    limit: int
    token: str = ""


class Page(NamedTuple, Generic[T]):
    """Some of what was found, and the token that asks for more of it."""

    things: list[T]
    token: str | None = None


class OnDataset(NamedTuple):
    """What was measured on a dataset, or on one version of it."""

    name: str
    digest: str | None = None


class ModelOrder(NamedTuple):
    """Something logged models are sorted by: an attribute, or ``metrics.`` and the name of a metric on any dataset."""

    field: str
    ascending: bool = True
    dataset: str | None = None
    digest: str | None = None


class TrackingSearch(Protocol):
    """Searches what was logged.

    Raises:
        SearchError: What is asked cannot be answered.
    """

    async def experiments(self, stages: Sequence[Stage], question: Question) -> Page[Experiment]:
        """Find experiments."""

    async def runs(self, experiment_ids: Sequence[str], stages: Sequence[Stage], question: Question) -> Page[Run]:
        """Find runs of some experiments."""


class ModelSearch(Protocol):
    """Searches registered models and their versions, whose entries are read elsewhere.

    Raises:
        SearchError: What is asked cannot be answered.
    """

    async def models(self, question: Question) -> Page[PipelineName]:
        """Find models."""

    async def versions(self, question: Question) -> Page[tuple[PipelineName, int]]:
        """Find versions."""


class LoggedModelSearch(Protocol):
    """Searches logged models.

    Raises:
        SearchError: What is asked cannot be answered.
    """

    async def logged_models(
        self,
        experiment_ids: Sequence[str],
        question: Question,
        *,
        datasets: tuple[OnDataset, ...] = (),
        orders: tuple[ModelOrder, ...] = (),
    ) -> Page[LoggedModel]:
        """Find models of some experiments.

        Args:
            experiment_ids: The experiments.
            question: What is asked; its order is left empty.
            datasets: Metrics count only if measured on one of these; empty: all count.
            orders: What they are sorted by.
        """
