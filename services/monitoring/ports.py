"""What monitoring needs from outside."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from contracts.profile import Reference
from services.monitoring.counting import BoolArray, Value
from services.monitoring.domain import Instant, Join, Label, Monitor, WatchedVersion, Window
from services.monitoring.quality import Labelled
from services.monitoring.served import Served


class Monitors(Protocol):
    """The pipelines under watch."""

    async def lock(self, pipeline: str) -> Monitor | None:
        """Get a pipeline and keep every other transaction off it until this one ends."""
        ...

    async def get(self, pipeline: str) -> Monitor | None:
        """Get a pipeline as it is."""
        ...

    async def save(self, monitor: Monitor) -> None:
        """Add a pipeline or replace it."""
        ...


class Versions(Protocol):
    """The versions that have answered."""

    async def see(self, pipeline: str, number: int) -> WatchedVersion:
        """Get a version, made known by this if it was not."""
        ...

    async def all(self, pipeline: str) -> list[WatchedVersion]:
        """List a pipeline's versions by number."""
        ...

    async def watch(self, version: WatchedVersion, reference: Reference, since: datetime) -> WatchedVersion:
        """Keep a version's reference, and return the version with it.

        Args:
            version: With the URI and digest of its bundle.
            reference: What its windows are counted by and compared with.
            since: When it began to answer.
        """
        ...


class References(Protocol):
    """The references in bundles."""

    async def read(self, bundle_uri: str, bundle_digest: str) -> Reference | None:
        """Read a bundle's reference, held against the digests; None if it was only logged, and has none.

        Raises:
            MalformedError: The bundle's bytes are not what was promised.
            TransientError: It can't be read at present.
        """
        ...


@dataclass(frozen=True, slots=True)
class KnownPrediction:
    """Where a prediction belongs, and the label that counts so far."""

    version_key: int
    event_at: Instant
    label: Label | None


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One prediction as it was asked and answered, with every label that was ever said of it."""

    prediction_id: str
    pipeline: str
    version: int
    event_time: datetime
    served_at: datetime
    score: float
    inputs: Mapping[str, Value]
    replica: str
    traceparent: str | None
    label: Label | None
    history: tuple[Label, ...]


class Predictions(Protocol):
    """The log of predictions."""

    async def add(self, served: Served) -> BoolArray:
        """Keep predictions.

        Returns:
            Which of the rows, batch after batch, were not known by their id before; shape (rows,).
        """
        ...

    async def find(self, pipeline: str, prediction_ids: Sequence[str]) -> dict[str, KnownPrediction]:
        """Find the predictions of a pipeline that are known, by id."""
        ...

    async def join(self, joins: Sequence[Join]) -> None:
        """Put labels beside their predictions."""
        ...

    async def labelled(self, version_key: int, start: Instant, end: Instant) -> Labelled:
        """Get the labelled predictions in [start, end)."""
        ...

    def log(self, version: WatchedVersion) -> AsyncIterator[tuple[Served, BoolArray]]:
        """Read what was added of a version, with what each ``add`` returned."""
        ...

    async def get(self, prediction_id: str) -> PredictionRecord | None:
        """Get one prediction."""
        ...

    async def newest(self, version_key: int, *, limit: int) -> list[str]:
        """List ids of a version's predictions, those whose event is latest first."""
        ...


class Labels(Protocol):
    """Every label ever said, whether its prediction is known or not."""

    async def keep(self, pipeline: str, labels: Sequence[tuple[str, Label]]) -> None:
        """Keep labels by prediction id; the same one again changes nothing."""
        ...

    async def of(self, pipeline: str, prediction_ids: Sequence[str]) -> dict[str, Label]:
        """Find, for each prediction that has any, the label that counts."""
        ...


class Windows(Protocol):
    """Windows of event time."""

    async def get(self, version_key: int, starts: Sequence[Instant]) -> dict[Instant, Window]:
        """Get those of a version's windows that exist, by start."""
        ...

    async def save(self, windows: Sequence[Window]) -> None:
        """Add windows or replace them."""
        ...

    async def between(self, version_key: int, start: Instant, end: Instant | None = None) -> list[Window]:
        """List a version's windows that begin at a start or later, and before an end; oldest first."""
        ...

    async def before(self, version_key: int, start: Instant) -> Window | None:
        """Get the last of a version's windows before a start."""
        ...

    async def due(self) -> list[tuple[str, int, Window]]:
        """List windows that may have to be judged, oldest first, with their pipeline and version number."""
        ...

    async def of(self, version_key: int) -> list[Window]:
        """List a version's windows, oldest first."""
        ...
