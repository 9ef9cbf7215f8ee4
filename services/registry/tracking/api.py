"""What the registry answers about runs beyond MLflow's protocol."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from services.chassis.http import Tx
from services.registry.tracking import runs
from services.registry.tracking.comparison import compare
from services.registry.tracking.domain import RunStatus
from services.registry.tracking.ports import Runs

router = APIRouter(tags=["runs"])

MOST_RUNS = 100
RunId = Annotated[str, Query(min_length=1, max_length=64, pattern=r"^[0-9a-zA-Z_-]+$")]


class RunView(BaseModel):
    """A run among those compared."""

    run_id: str
    name: str
    experiment_id: str
    user: str
    status: RunStatus
    started_ms: int
    ended_ms: int | None


class RunComparisonView(BaseModel):
    """What differs between runs: a key, and its value in each of them, in their order; null where it has none."""

    runs: list[RunView]
    params: dict[str, list[str | None]]
    metrics: dict[str, list[float | None]]
    tags: dict[str, list[str | None]]
    datasets: dict[str, list[bool]]
    """By name and digest: which runs used it."""
    same: int
    """How many parameters, metrics, tags and datasets are the same in all."""


@router.get("/runs/compare")
async def compare_runs(
    run_id: Annotated[list[RunId], Query(min_length=2, max_length=MOST_RUNS)], tx: Tx
) -> RunComparisonView:
    """Compare runs, whoever logged them: only what differs is told."""
    found = [await runs.find(one, tx.port(Runs)) for one in dict.fromkeys(run_id)]
    records = await tx.port(Runs).records([run.id for run in found])
    difference = compare([records[run.id] for run in found])
    return RunComparisonView(
        runs=[
            RunView(
                run_id=run.id,
                name=run.name,
                experiment_id=run.experiment_id,
                user=run.user,
                status=run.status,
                started_ms=run.started_ms,
                ended_ms=run.ended_ms,
            )
            for run in found
        ],
        params={key: list(values) for key, values in difference.params.items()},
        metrics={key: list(values) for key, values in difference.metrics.items()},
        tags={key: list(values) for key, values in difference.tags.items()},
        datasets={key: list(values) for key, values in difference.datasets.items()},
        same=difference.same,
    )
