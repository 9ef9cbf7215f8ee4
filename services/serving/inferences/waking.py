"""Wakes models that sleep while requests or rows wait for them on the broker. One reconciler of the service.

Where a model scales to zero, Ray starts a replica for a request that comes through the front, and knows nothing of
the broker. So the service asks through the front as long as something waits.
"""

from uuid import UUID

from contracts.streams import INFERENCE, ROWS
from services.chassis.bus import Bus, NotOnBusError
from services.chassis.work import Work
from services.serving.ports import Cluster, Deployments, Rollouts


class Waker:
    """Asks for replicas on behalf of what waits."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def step(self, work: Work) -> None:
        """Look at every model that may sleep."""
        async with work.transaction(write=False) as transaction:
            sleepers = [
                (one.pipeline, one.answering)
                for one in await transaction.port(Deployments).all()
                if one.answering and one.fewest_replicas == 0
            ]
        for pipeline, answering in sleepers:
            if await waiting(work.bus, pipeline):
                await self._wake(work, pipeline, answering)

    async def _wake(self, work: Work, pipeline: str, answering: UUID) -> None:
        async with work.transaction(write=False) as transaction:
            rollout = await transaction.port(Rollouts).get(answering)
        if rollout is not None:
            await self._cluster.reaches(pipeline, rollout.version)


async def waiting(bus: Bus, pipeline: str) -> int:
    """Count the requests and rows of a model that are not answered yet."""
    count = 0
    for stream, consumer in ((INFERENCE, f"inference__{pipeline}"), (ROWS, f"rows__{pipeline}")):
        try:
            info = await bus.ask(f"CONSUMER.INFO.{stream.name}.{consumer}")
        except NotOnBusError:
            # No replica of the model ever lived, or it does not stream.
            continue
        count += info["num_pending"] + info["num_ack_pending"]
    return count
