"""What a version of a model without a pipeline must pass is declared. Ports in, facts out."""

from contracts.message import Message
from contracts.registered_models import DeclareModelGates, ModelGatesDeclared
from contracts.registry import ModelCommandRefused
from services.chassis.errors import RejectedError
from services.chassis.subscriptions import Cause
from services.registry.models.ports import NamedModels


async def declare(command: DeclareModelGates, models: NamedModels, cause: Cause) -> list[Message]:
    """Hold versions against other gates from now on; a pipeline's are declared in its file."""
    model = await models.hold_key(command.pipeline)
    try:
        if model is None:
            raise RejectedError("registered_model_not_found", pipeline=command.pipeline)
        if model.is_pipeline:
            raise RejectedError("pipeline_has_gates", pipeline=command.pipeline)
    except RejectedError as error:
        return [
            ModelCommandRefused(
                pipeline=command.pipeline,
                command=command.subject,
                command_id=cause.message_id,
                requested_by=command.declared_by,
                rule=error.slug,
                detail=str(error)[:1000],
            )
        ]
    previous = await models.gates(command.pipeline)
    await models.declare(command.pipeline, command.gates, at=cause.received_at)
    return [
        ModelGatesDeclared(
            pipeline=command.pipeline,
            gates=command.gates,
            previous_gates=previous,
            declared_by=command.declared_by,
            reason=command.reason,
            at=cause.received_at,
        )
    ]
