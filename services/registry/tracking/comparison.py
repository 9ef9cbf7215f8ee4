"""Runs side by side: only what differs between them. No I/O."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from services.registry.tracking.domain import RunRecord

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class RunComparison:
    """What differs: a key, and its value in each run, in their order; None where it has none.

    Attributes:
        params: Parameters that differ.
        metrics: Latest points of metrics that differ; NaN is none.
        tags: Tags that differ.
        datasets: Datasets that not all used, by name and digest, and which runs did.
        same: How many parameters, metrics, tags and datasets are the same in all.
    """

    params: Mapping[str, tuple[str | None, ...]]
    metrics: Mapping[str, tuple[float | None, ...]]
    tags: Mapping[str, tuple[str | None, ...]]
    datasets: Mapping[str, tuple[bool, ...]]
    same: int


def compare(records: Sequence[RunRecord]) -> RunComparison:
    """Find what differs between runs."""
    params, same_params = _differing(records, lambda record: record.params)
    tags, same_tags = _differing(records, lambda record: record.tags)
    metrics, same_metrics = _differing(records, _values)
    datasets, same_datasets = _differing(records, _used)
    used = {name: tuple(bool(one) for one in ones) for name, ones in datasets.items()}
    return RunComparison(params, metrics, tags, used, same_params + same_tags + same_metrics + same_datasets)


def _differing(
    records: Sequence[RunRecord], of: Callable[[RunRecord], Mapping[str, V]]
) -> tuple[dict[str, tuple[V | None, ...]], int]:
    read = [of(record) for record in records]
    rows = {key: tuple(one.get(key) for one in read) for key in sorted(set().union(*read))}
    differing = {key: row for key, row in rows.items() if len(set(row)) > 1}
    return differing, len(rows) - len(differing)


def _values(record: RunRecord) -> dict[str, float]:
    return {metric.key: metric.value for metric in record.metrics if not math.isnan(metric.value)}


def _used(record: RunRecord) -> dict[str, bool]:
    return {f"{one.dataset.name}@{one.dataset.digest}": True for one in record.datasets}
