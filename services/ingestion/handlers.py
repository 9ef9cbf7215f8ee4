"""What ingestion does when it hears something. The work itself is done by ``intake``."""

from uuid import NAMESPACE_URL, uuid5

from contracts.ingestion import IngestDataset
from contracts.message import Message
from contracts.training import PipelineRegistered
from services.chassis.errors import TransientError
from services.chassis.subscriptions import Cause, Subscription
from services.ingestion.domain import Batch
from services.ingestion.ports import Batches, Pipelines


async def on_pipeline_registered(event: PipelineRegistered, pipelines: Pipelines) -> list[Message]:
    """Judge the batches that arrive from now on by the pipeline's contract."""
    await pipelines.put(event.pipeline, event.definition.dataset)
    return []


async def ingest_dataset(command: IngestDataset, pipelines: Pipelines, batches: Batches, cause: Cause) -> list[Message]:
    """Put a file in the queue of its pipeline.

    Raises:
        TransientError: The pipeline is not known (yet).
    """
    contract = await pipelines.contract(command.pipeline)
    if contract is None:
        raise TransientError("pipeline_unknown", pipeline=command.pipeline)
    batch = Batch(
        batch_id=uuid5(NAMESPACE_URL, f"everloop:batch:{cause.message_id}"),
        pipeline=command.pipeline,
        uri=command.uri,
        mode=command.mode,
        contract=contract,
        received_at=cause.received_at,
        expected_digest=command.digest,
        cause=cause,
    )
    await batches.add(batch)
    return []


SUBSCRIPTIONS = (
    Subscription(PipelineRegistered, on_pipeline_registered),
    Subscription(IngestDataset, ingest_dataset),
)
