"""Models by any name over HTTP: what an MLflow client has no call for."""

from fastapi import APIRouter

from contracts.model import VersionNumber
from contracts.registered_models import WaiveModelVersionGates
from services.chassis.errors import RejectedError
from services.chassis.http import Tx
from services.registry.api import Accepted, Verdict
from services.registry.keys import key_of
from services.registry.models.ports import NamedVersions

router = APIRouter(tags=["registry"])


@router.post("/models/{model}/versions/{version}/waive", status_code=202)
async def waive(model: str, version: VersionNumber, verdict: Verdict, tx: Tx) -> Accepted:
    """Ask that a version which was only logged may be champion though no gate has judged it."""
    pipeline = key_of(model)
    if await tx.port(NamedVersions).get(pipeline, version) is None:
        raise RejectedError("version_not_found", model=model, version=version)
    command = WaiveModelVersionGates(pipeline=pipeline, version=version, waived_by=verdict.by, reason=verdict.reason)
    tx.say(command)
    return Accepted(command=command.subject, pipeline=pipeline)
