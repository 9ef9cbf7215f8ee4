"""A model in a program: asked with whatever the program holds, by any number of threads."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from contracts.bundle import Lineage, Signature
from everloop.bundle.asking import Rows, explain, predict
from everloop.bundle.explaining import Attributions
from everloop.bundle.logged import LoggedModel
from everloop.bundle.manifest import UNTOLD, BundleError
from everloop.bundle.model import Model, Scores
from everloop.models.registry import Resolved


@dataclass(frozen=True, slots=True)
class Held:
    """One verified version in memory."""

    model: Model | LoggedModel
    card: str
    resolved: Resolved


class LoadedModel:
    """A model that answers in this process. Threads may share it.

    One that follows its alias changes its version between two calls, never within one; ``pinned`` gives the version
    that answers now, for good.
    """

    def __init__(self, held: Held) -> None:
        self._held = held
        self._on_close: Callable[[], None] | None = None

    def predict(self, rows: Rows) -> Scores:
        """Score rows.

        Args:
            rows: A mapping from feature column to values; a list of mappings, one per row, where a column that may be
                missing may be left out; or anything Arrow reads: a ``pyarrow.Table`` or record batch, a DataFrame of
                pandas or Polars, whose other columns are ignored. Timestamps are datetimes, ISO-8601 strings or
                milliseconds since 1970.

        Returns:
            Shape (n,), float64: the probability of the label, or the estimated value.

        Raises:
            InputError: The rows are not what ``signature`` says; the message names the column.
        """
        return predict(self._held.model, rows)

    def explain(self, rows: Rows) -> Attributions:
        """Tell what each of the model's columns added to the scores of rows, given as for ``predict``.

        Raises:
            BundleError: The bundle holds nothing to explain with, or LightGBM is not installed and it needs it.
            InputError: The rows are not what ``signature`` says.
        """
        return explain(self._held.model, rows)

    @property
    def name(self) -> str:
        """The model's name: its pipeline's, or of what was only logged its key."""
        return self._held.resolved.model

    @property
    def version(self) -> int | None:
        """Number of the version; None where it was loaded from a path or URI, which says none."""
        return self._held.resolved.version

    @property
    def resolved(self) -> Resolved:
        """What the name meant, who said so and when: ``known_at`` is long ago where nobody could be asked."""
        return self._held.resolved

    @property
    def signature(self) -> Signature:
        """What it is asked with and what it answers."""
        return self._held.model.signature

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return self._held.card

    @property
    def lineage(self) -> Lineage:
        """Run, data, code, environment, parameters and seed that made it.

        Raises:
            BundleError: It was only logged, so that nobody knows.
        """
        if isinstance(self._held.model, LoggedModel):
            raise BundleError("only_logged", UNTOLD)
        return self._held.model.manifest.lineage

    def pinned(self) -> "LoadedModel":
        """Give the version that answers now as a model that stays it."""
        return LoadedModel(self._held)

    def close(self) -> None:
        """Stop following. It still answers, with the version it has."""
        if self._on_close:
            self._on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        """Name the version that answers."""
        return f"<{type(self).__name__} {self._held.resolved.name}: {self.name} {self.version or 'of a bundle'}>"
