"""What is said about what runs log. One request is one message, unless that were more than the bus carries."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from contracts.message import Message
from contracts.tracking import DatasetUse, ModelMade, RunLinked, RunLogged
from services.registry.tracking import domain
from services.registry.tracking.domain import DatasetInput, Metric, ModelOutput, Run

T = TypeVar("T")

MOST_BYTES = 480_000
"""Of what is written in one message; the bus takes 512 KiB."""
CHARACTER_BYTES = 6
"""Of a character in JSON, at most."""
POINT_BYTES = 250
"""Of a point beside its texts, at most."""


def logged(
    run: Run,
    *,
    params: Mapping[str, str] | None = None,
    metrics: Sequence[Metric] = (),
    tags: Sequence[domain.TagChange] = (),
) -> list[Message]:
    """Say what a run logged; nothing, if that is nothing."""
    params = params or {}
    if not (params or metrics or tags):
        return []
    points = [_point(metric) for metric in metrics]
    changes = [{"key": one.key, "value": one.value, "previous": one.previous} for one in tags]
    whole = _size(*params, *params.values()) + _size(*(text for one in tags for text in (one.value, one.previous)))
    whole += sum(POINT_BYTES + _size(one.key, one.dataset_name) for one in metrics)
    if whole <= MOST_BYTES:
        return [_said(run, params=params, metrics=points, tags=changes)]
    return [
        *(_said(run, params=dict(some)) for some in _batches(params.items(), 8)),
        *(_said(run, metrics=some) for some in _batches(points, 80)),
        *(_said(run, tags=some) for some in _batches(changes, 4)),
    ]


def linked(
    run: Run, *, datasets: Sequence[DatasetInput] = (), used: Sequence[str] = (), made: Sequence[ModelOutput] = ()
) -> list[Message]:
    """Say what a run used and made; nothing, if that is nothing."""
    if not (datasets or used or made):
        return []
    return [
        RunLinked(
            pipeline=run.pipeline,
            run_id=run.id,
            datasets=tuple(_use(one) for one in datasets),
            models_used=tuple(used),
            models_made=tuple(ModelMade(model_id=one.model_id, step=one.step) for one in made),
        )
    ]


def _said(run: Run, **logged: object) -> RunLogged:
    # Read from dictionaries at once, which takes a tenth of the time that a thousand points take one by one.
    return RunLogged.model_validate({"pipeline": run.pipeline, "run_id": run.id, **logged})


def _point(metric: Metric) -> dict[str, object]:
    key, value, timestamp_ms, step, model_id, dataset_name, dataset_digest = metric
    return {
        "key": key,
        "value": None if math.isnan(value) else value,
        "timestamp_ms": timestamp_ms,
        "step": step,
        "model_id": model_id,
        "dataset_name": dataset_name,
        "dataset_digest": dataset_digest,
    }


def _use(one: DatasetInput) -> DatasetUse:
    return DatasetUse(
        name=one.dataset.name,
        digest=one.dataset.digest,
        source_type=one.dataset.source_type,
        source=one.dataset.source,
        columns=one.dataset.schema,
        profile=one.dataset.profile,
        tags=dict(one.tags),
    )


def _size(*texts: str | None) -> int:
    return CHARACTER_BYTES * sum(len(text) for text in texts if text)


def _batches(items: Iterable[T], most: int) -> Iterator[tuple[T, ...]]:
    rest = iter(items)
    while batch := tuple(islice(rest, most)):
        yield batch
