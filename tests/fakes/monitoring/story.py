"""A day in the life of monitoring, as messages that may arrive in any order."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from contracts.message import Message
from contracts.monitoring import RecordGroundTruth
from contracts.serving import PredictionBatch
from tests.fakes.monitoring import examples
from tests.fakes.monitoring.world import SAID_AT

MIN_ROWS = 20


@dataclass(frozen=True)
class Said:
    message: Message
    at: datetime


def story(seed: int) -> list[Said]:
    """Predictions of two versions over four hours, their labels twice, corrected, contradictory, unknown, missing."""
    rng = np.random.default_rng(seed)
    batches: list[PredictionBatch] = []
    for hour in range(4):
        for version in (1, 2) if hour in (1, 2) else (1 + hour // 2,):
            shift = 2.0 if hour == int(rng.integers(4)) else 0.0
            batches.append(examples.hour(hour, rows=60, version=version, shift=shift, prefix=f"v{version}h"))
    messages: list[Message] = []
    for batch in batches:
        cut = int(rng.integers(1, 59))
        messages += [examples.served(part(batch, 0, cut)), examples.served(part(batch, cut, 60))]
        truth = examples.truth(batch, inverted=bool(rng.random() < 0.5))
        kept = [label for label in truth.labels if rng.random() < rng.choice([0.7, 1.0])]
        again = [label.model_copy(update={"label": 1 - label.label}) for label in kept if rng.random() < 0.1]
        newer = [label.model_copy(update={"observed_at": label.observed_at + timedelta(minutes=5)}) for label in again]
        strangers = [examples.label(f"stranger-{len(messages)}", 1, examples.START)]
        for labels in (kept, again, newer[: len(newer) // 2], strangers, kept[:3]):
            if labels:
                messages.append(RecordGroundTruth(pipeline=examples.PIPELINE, labels=tuple(labels)))
    messages += [examples.rollout_completed(version) for version in (1, 2)]
    return [Said(message, SAID_AT + timedelta(seconds=number)) for number, message in enumerate(messages)]


def part(batch: PredictionBatch, start: int, stop: int) -> PredictionBatch:
    return PredictionBatch(
        version=batch.version,
        prediction_ids=batch.prediction_ids[start:stop],
        event_times=batch.event_times[start:stop],
        served_at=batch.served_at,
        inputs={name: values[start:stop] for name, values in batch.inputs.items()},
        scores=batch.scores[start:stop],
    )
