"""Models by any name over HTTP: what an MLflow client has no call for."""

from fastapi import APIRouter

from contracts.gates import AbsoluteGate
from contracts.model import VersionNumber
from contracts.registered_models import DeclareModelGates, WaiveModelVersionGates
from services.chassis.errors import RejectedError
from services.chassis.http import Tx
from services.registry.api import Accepted, Verdict
from services.registry.keys import key_of
from services.registry.models.ports import NamedModels, NamedVersions

router = APIRouter(tags=["registry"])


class Gates(Verdict):
    """Gates, and who declares them, why."""

    gates: tuple[AbsoluteGate, ...]


@router.post("/models/{model}/gates", status_code=202)
async def declare_gates(model: str, wish: Gates, tx: Tx) -> Accepted:
    """Ask that versions which are only logged pass these gates to be champion."""
    pipeline = key_of(model)
    if not await tx.port(NamedModels).entries([pipeline]):
        raise RejectedError("model_not_found", model=model)
    command = DeclareModelGates(pipeline=pipeline, gates=wish.gates, declared_by=wish.by, reason=wish.reason)
    tx.say(command)
    return Accepted(command=command.subject, pipeline=pipeline)


@router.post("/models/{model}/versions/{version}/waive", status_code=202)
async def waive(model: str, version: VersionNumber, verdict: Verdict, tx: Tx) -> Accepted:
    """Ask that a version which was only logged may be champion though no gate has judged it."""
    pipeline = key_of(model)
    if await tx.port(NamedVersions).get(pipeline, version) is None:
        raise RejectedError("version_not_found", model=model, version=version)
    command = WaiveModelVersionGates(pipeline=pipeline, version=version, waived_by=verdict.by, reason=verdict.reason)
    tx.say(command)
    return Accepted(command=command.subject, pipeline=pipeline)
