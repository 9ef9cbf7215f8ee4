"""The history of metrics, as MLflow's clients ask for it."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from services.chassis.work import Transaction
from services.registry.mlflow.calls import Arguments, Method
from services.registry.mlflow.errors import refuse_value
from services.registry.mlflow.values import Int64, Required, metric
from services.registry.tracking.ports import MetricHistory

MOST_POINTS = 2500
"""Of one run, where those of several are asked for."""


class GetHistory(Arguments):
    """The points of one metric of a run."""

    run_id: Required
    metric_key: Required
    max_results: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    page_token: str = ""


class GetSampledHistory(Arguments):
    """The points of one metric of some runs, no more of each than one wants to draw."""

    run_ids: Annotated[tuple[Required, ...], Field(min_length=1, max_length=100)]
    metric_key: Required
    start_step: Int64 | None = None
    end_step: Int64 | None = None
    max_results: Annotated[int, Field(ge=1, le=MOST_POINTS)] = MOST_POINTS


async def get_history(asked: GetHistory, tx: Transaction) -> Mapping[str, Any]:
    """Tell the points of a metric."""
    offset, limit = _offset(asked.page_token), asked.max_results
    history = tx.port(MetricHistory)
    points = await history.of(asked.run_id, asked.metric_key, offset=offset, limit=limit + 1 if limit else None)
    answer: dict[str, Any] = {"metrics": [metric(point) for point in points[:limit]]} if points else {}
    if limit and len(points) > limit:
        answer["next_page_token"] = str(offset + limit)
    return answer


async def get_sampled_history(asked: GetSampledHistory, tx: Transaction) -> Mapping[str, Any]:
    """Tell evenly spread points of a metric of some runs."""
    steps = _steps(asked.start_step, asked.end_step)
    told = []
    for run_id in asked.run_ids:
        points = await tx.port(MetricHistory).sampled(run_id, asked.metric_key, steps=steps, points=asked.max_results)
        told += [{**metric(point), "run_id": run_id} for point in points]
    return {"metrics": told} if told else {}


def _offset(token: str) -> int:
    if token and not (token.isascii() and token.isdigit() and len(token) < 16):
        refuse_value(f"Invalid page token: {token[:100]!r}.")
    return int(token or 0)


def _steps(first: int | None, last: int | None) -> tuple[int, int] | None:
    if first is None and last is None:
        return None
    if first is None or last is None:
        refuse_value("If either start_step or end_step is given, both must be.")
    if first > last:
        refuse_value(f"end_step must not be less than start_step, and {last} is less than {first}.")
    return first, last


METHODS = (
    Method("GET", "/mlflow/metrics/get-history", GetHistory, get_history),
    Method("GET", "/mlflow/metrics/get-history-bulk-interval", GetSampledHistory, get_sampled_history),
)
