"""Results in a bucket of the broker: neither a replica's nor the service's death loses one."""

from datetime import timedelta
from uuid import UUID

from contracts.envelope import Envelope
from services.chassis.buckets import Bucket, BucketDefinition
from services.chassis.bus import Bus

RESULTS = BucketDefinition("everloop_serving_results", max_age=timedelta(days=7), max_bytes=2 * 1024**3)


class Results:
    """Results by the id of their request: the event that says it, whole. What is found later is what was said."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = Bucket(bus, RESULTS)

    async def get(self, request_id: UUID) -> Envelope | None:
        """Find the event that was said of a request; None if there was none, or it is too old."""
        written = await self._bucket.get(str(request_id))
        return Envelope.model_validate_json(written) if written else None

    async def keep(self, request_id: UUID, result: Envelope) -> Envelope:
        """Store a result unless there is one; gives the one that counts.

        Raises:
            StreamFullError: No room until older ones have aged.
        """
        if await self._bucket.create(str(request_id), result.to_bytes()):
            return result
        return await self.get(request_id) or result
