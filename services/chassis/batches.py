"""Several messages stored at once: all or none, in order, and on disk together (NATS's ADR-50)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from services.chassis.bus import ANSWER_TIMEOUT_S, Bus
from services.chassis.bus_errors import refusal

LARGEST = 1000
"""Messages that the broker takes at once."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A message as it is published."""

    subject: str
    body: bytes
    headers: Mapping[str, str]


async def publish_together(bus: Bus, publications: Sequence[Publication]) -> None:
    """Store messages of one stream, and wait until that is certain.

    Args:
        bus: Where to.
        publications: At most ``LARGEST``, for a stream that takes batches, each named by ``Nats-Msg-Id``.

    Raises:
        BusRefusalError: None is stored, for instance because one of them already was.
        BusUnavailableError: No answer; all may be stored, or none.
    """
    batch = uuid4().hex
    *before, last = (
        Publication(
            each.subject, each.body, {**each.headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(place)}
        )
        for place, each in enumerate(publications, start=1)
    )
    for each in before:
        await bus.send(each.subject, each.body, headers=each.headers)
    headers = {**last.headers, "Nats-Batch-Commit": "1"}
    answer = json.loads((await bus.request(last.subject, last.body, headers=headers, timeout_s=ANSWER_TIMEOUT_S)).body)
    if error := answer.get("error"):
        raise refusal(error.get("code"), error.get("err_code"), error.get("description"))
