"""A person answers for a version that no gate has judged. Ports in, facts out."""

from contracts.message import Message
from contracts.registered_models import ModelVersionGatesWaived, WaiveModelVersionGates
from contracts.registry import ModelCommandRefused
from services.chassis.errors import RejectedError
from services.chassis.subscriptions import Cause
from services.registry.domain import Decision, VersionState
from services.registry.models.naming import found
from services.registry.models.ports import NamedModels, NamedVersions


async def waive(
    command: WaiveModelVersionGates, models: NamedModels, versions: NamedVersions, cause: Cause
) -> list[Message]:
    """Let a version that was only logged be champion; a pipeline's versions have gates, which nobody waives."""
    try:
        await _check(command, models, versions)
    except RejectedError as error:
        return [
            ModelCommandRefused(
                pipeline=command.pipeline,
                command=command.subject,
                command_id=cause.message_id,
                requested_by=command.waived_by,
                version=command.version,
                rule=error.slug,
                detail=str(error)[:1000],
            )
        ]
    decision = Decision(command.waived_by, command.reason, cause.received_at)
    await versions.decide(command.pipeline, command.version, VersionState.WAIVED, decision)
    return [
        ModelVersionGatesWaived(
            pipeline=command.pipeline,
            version=command.version,
            waived_by=decision.by,
            reason=decision.reason,
            at=decision.at,
        )
    ]


async def _check(command: WaiveModelVersionGates, models: NamedModels, versions: NamedVersions) -> None:
    model = await models.hold_key(command.pipeline)
    if model is None:
        raise RejectedError("registered_model_not_found", pipeline=command.pipeline)
    version = await found(model, command.version, versions)
    if model.is_pipeline:
        raise RejectedError("pipeline_has_gates", pipeline=command.pipeline)
    if version.state is not VersionState.LOGGED:
        raise RejectedError("nothing_to_waive", version=command.version, state=version.state.value)
