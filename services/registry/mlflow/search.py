"""MLflow's searches of experiments and runs."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from services.chassis.work import Transaction
from services.registry.mlflow import values
from services.registry.mlflow.calls import Arguments, Method
from services.registry.mlflow.errors import refuse_value
from services.registry.mlflow.runs import written
from services.registry.search.ports import Page, Question, TrackingSearch
from services.registry.tracking.domain import Run, Stage
from services.registry.tracking.ports import Runs

MOST = 50_000
"""Experiments or runs of a page."""
MOST_EXPERIMENTS = 10_000
"""Experiments whose runs are searched at once."""
AT_ONCE = 500
"""Runs whose records are read and written at once; between, other requests are answered."""


class View(StrEnum):
    """Whether to look among what was deleted."""

    ACTIVE_ONLY = "ACTIVE_ONLY"
    DELETED_ONLY = "DELETED_ONLY"
    ALL = "ALL"

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Where to look."""
        match self:
            case View.ACTIVE_ONLY:
                return (Stage.ACTIVE,)
            case View.DELETED_ONLY:
                return (Stage.DELETED,)
            case View.ALL:
                return tuple(Stage)


_NUMBERED = {str(number): view for number, view in enumerate(View, start=1)}
ViewType = Annotated[View, BeforeValidator(lambda said: _NUMBERED.get(str(said), said))]
"""A view by its word or, as protobuf has it too, by its number."""


class Search(Arguments):
    """What every search is given."""

    filter: str = ""
    order_by: tuple[str, ...] = ()
    page_token: str = ""

    def question(self, limit: int) -> Question:
        """Ask for a page of so many."""
        return Question(self.filter, self.order_by, limit, self.page_token)


class SearchExperiments(Search):
    """Which experiments are looked for."""

    view_type: ViewType = View.ACTIVE_ONLY
    max_results: int = 1000


class SearchRuns(Search):
    """Which runs are looked for."""

    experiment_ids: Annotated[tuple[str, ...], Field(max_length=MOST_EXPERIMENTS)] = ()
    run_view_type: ViewType = View.ACTIVE_ONLY
    max_results: int = 1000


async def search_experiments(asked: SearchExperiments, tx: Transaction) -> Mapping[str, Any]:
    """Find experiments."""
    question = asked.question(page_size(asked.max_results, MOST))
    found = await tx.port(TrackingSearch).experiments(asked.view_type.stages, question)
    return answer("experiments", [values.experiment(experiment) for experiment in found.things], found)


async def search_runs(asked: SearchRuns, tx: Transaction) -> Mapping[str, Any]:
    """Find runs, with all they logged."""
    question = asked.question(page_size(asked.max_results, MOST))
    for experiment_id in asked.experiment_ids:
        experiment_number(experiment_id)
    found = await tx.port(TrackingSearch).runs(asked.experiment_ids, asked.run_view_type.stages, question)
    return answer("runs", await _written(found.things, tx.port(Runs)), found)


async def _written(found: list[Run], runs: Runs) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for first in range(0, len(found), AT_ONCE):
        some = found[first : first + AT_ONCE]
        records = await runs.records([run.id for run in some])
        shown += [written(run, records[run.id]) for run in some]
    return shown


def page_size(asked: int, most: int) -> int:
    """Check how many are wanted at once."""
    if asked < 1:
        refuse_value(f"Invalid value {asked} for parameter 'max_results' supplied. It must be a positive integer")
    if asked > most:
        refuse_value(f"Invalid value {asked} for parameter 'max_results' supplied. It must be at most {most}")
    return asked


def experiment_number(experiment_id: str) -> str:
    """Check an experiment's id."""
    if not experiment_id.isascii() or not experiment_id.isdecimal():
        refuse_value(f"Invalid experiment ID '{experiment_id}'. Experiment ID must be a valid integer.")
    return experiment_id


def answer(name: str, things: list[dict[str, Any]], found: Page[Any]) -> dict[str, Any]:
    """Write a page. As protobuf's JSON does, what is empty is left out."""
    shown = {name: things} if things else {}
    return {**shown, "next_page_token": found.token} if found.token else shown


METHODS = (
    Method("POST", "/mlflow/experiments/search", SearchExperiments, search_experiments, reads=True),
    Method("GET", "/mlflow/experiments/search", SearchExperiments, search_experiments),
    Method("POST", "/mlflow/runs/search", SearchRuns, search_runs, reads=True),
)
