"""Served predictions as columns, ready to be counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

import numpy as np

from contracts.serving import PredictionBatch
from services.monitoring.counting import BoolArray, IntArray, Value
from services.monitoring.domain import WatchedVersion, instant, instants


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Predictions column by column. Instants are of shape (rows,); every list has one entry per row."""

    ids: Sequence[str]
    event_times: IntArray
    served_at: IntArray
    scores: Sequence[float]
    columns: dict[str, Sequence[Value]]

    def only(self, kept: BoolArray) -> "Rows":
        """Leave out rows; ``kept`` is of shape (rows,)."""
        if kept.all():
            return self
        keep = kept.tolist()
        return Rows(
            ids=list(compress(self.ids, keep)),
            event_times=self.event_times[kept],
            served_at=self.served_at[kept],
            scores=list(compress(self.scores, keep)),
            columns={name: list(compress(values, keep)) for name, values in self.columns.items()},
        )


@dataclass(frozen=True)
class Served:
    """Predictions of one version from one message, in the batches they were answered in."""

    version: WatchedVersion
    message_id: str
    replica: str
    batches: tuple[PredictionBatch, ...]

    @cached_property
    def rows(self) -> Rows:
        """Lay the batches end to end; an input that one of them lacks is missing in its rows."""
        columns: dict[str, list[Value]] = {name: [] for batch in self.batches for name in batch.inputs}
        for batch in self.batches:
            nothing = (None,) * len(batch.scores)
            for name, values in columns.items():
                values.extend(batch.inputs.get(name, nothing))
        return Rows(
            ids=[prediction_id for batch in self.batches for prediction_id in batch.prediction_ids],
            event_times=instants([time for batch in self.batches for time in batch.event_times]),
            served_at=np.repeat(
                [instant(batch.served_at) for batch in self.batches], [len(batch.scores) for batch in self.batches]
            ),
            scores=[score for batch in self.batches for score in batch.scores],
            columns=dict(columns),
        )
