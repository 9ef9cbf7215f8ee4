import pytest

from contracts.ingestion import IngestDataset
from contracts.training import CodeSnapshot, PipelineRegistered
from services.chassis.errors import TransientError
from services.ingestion.domain import BatchState
from services.ingestion.handlers import ingest_dataset, on_pipeline_registered
from tests.fakes.ingestion import examples
from tests.fakes.ingestion.batches import InMemoryBatches
from tests.fakes.ingestion.pipelines import InMemoryPipelines

COMMAND = IngestDataset(pipeline=examples.PIPELINE, uri="/data/parcels.csv", digest=examples.DIGEST)


def registered(**changes: object) -> PipelineRegistered:
    return PipelineRegistered(
        pipeline=examples.PIPELINE,
        definition=examples.definition(dataset=examples.contract(**changes)),
        code=CodeSnapshot(uri="/store/code/a.zip", digest=examples.DIGEST),
    )


async def test_newest_contract_is_in_force() -> None:
    pipelines = InMemoryPipelines()

    await on_pipeline_registered(registered(min_rows=1), pipelines)
    await on_pipeline_registered(registered(min_rows=2), pipelines)

    assert await pipelines.contract(examples.PIPELINE) == examples.contract(min_rows=2)


async def test_file_waits_in_line_with_the_contract_of_its_arrival() -> None:
    pipelines, batches, cause = InMemoryPipelines(), InMemoryBatches(), examples.cause()
    await on_pipeline_registered(registered(), pipelines)

    facts = await ingest_dataset(COMMAND, pipelines, batches, cause)
    await on_pipeline_registered(registered(min_rows=99), pipelines)

    (batch,) = await batches.heads()
    assert facts == []
    assert (batch.uri, batch.state, batch.expected_digest) == (COMMAND.uri, BatchState.RECEIVED, examples.DIGEST)
    assert (batch.contract, batch.received_at, batch.cause) == (examples.contract(), cause.received_at, cause)


async def test_same_message_waits_in_line_once() -> None:
    pipelines, batches = InMemoryPipelines(), InMemoryBatches()
    await on_pipeline_registered(registered(), pipelines)

    for _ in range(2):
        await ingest_dataset(COMMAND, pipelines, batches, examples.cause())

    assert len(await batches.of(examples.PIPELINE, limit=9)) == 1


async def test_command_for_an_unknown_pipeline_comes_again_later() -> None:
    with pytest.raises(TransientError, match="pipeline unknown"):
        await ingest_dataset(COMMAND, InMemoryPipelines(), InMemoryBatches(), examples.cause())
