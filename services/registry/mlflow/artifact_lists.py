"""MLflow's calls that list the files of a run or of a logged model."""

from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices, Field

from services.chassis.errors import RejectedError
from services.chassis.work import Work
from services.registry.artifacts.domain import below
from services.registry.artifacts.ports import Artifacts
from services.registry.logged_models.changes import find
from services.registry.logged_models.ports import LoggedModels
from services.registry.mlflow.artifacts import shown
from services.registry.mlflow.calls import Arguments, WaitingMethod
from services.registry.tracking.ports import Runs


class OfRun(Arguments):
    """A directory of a run."""

    run_id: str = Field(validation_alias=AliasChoices("run_id", "run_uuid"))
    path: str = ""


class OfModel(Arguments):
    """A directory of a logged model."""

    model_id: str
    artifact_directory_path: str = ""


async def of_run(arguments: OfRun, work: Work) -> Mapping[str, Any]:
    """List a directory of a run."""
    async with work.transaction(write=False) as transaction:
        run = await transaction.port(Runs).get(arguments.run_id)
        if run is None:
            raise RejectedError("run_not_found", run_id=arguments.run_id)
        artifacts = transaction.port(Artifacts)
    return await _listed(run.artifact_uri, arguments.path, artifacts)


async def of_model(arguments: OfModel, work: Work) -> Mapping[str, Any]:
    """List a directory of a logged model."""
    async with work.transaction(write=False) as transaction:
        model = await find(arguments.model_id, transaction.port(LoggedModels))
        artifacts = transaction.port(Artifacts)
    return await _listed(model.artifact_uri, arguments.artifact_directory_path, artifacts)


async def _listed(root_uri: str, path: str, artifacts: Artifacts) -> Mapping[str, Any]:
    # A store may take long to answer: no transaction waits for it.
    found = await artifacts.list(below(root_uri, path))
    files = [shown(artifact, path.rstrip("/")) for artifact in found]
    return {"root_uri": root_uri} | ({"files": files} if files else {})


METHODS = (
    WaitingMethod("GET", "/mlflow/artifacts/list", OfRun, of_run),
    WaitingMethod("GET", "/mlflow/logged-models/{model_id}/artifacts/directories", OfModel, of_model),
)
