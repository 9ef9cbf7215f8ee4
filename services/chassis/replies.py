"""Answering requests over the bus, as services of NATS do: found by ``$SRV.PING``, with errors said in headers.

Requests are answered several at a time, and refused at once beyond that: whoever waits in silence asks again and
makes it worse. https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter_ns
from typing import Any

from services.chassis.bus import Bus
from services.chassis.delivery import Arrival
from services.chassis.errors import EverloopError, MalformedError
from services.chassis.logs import Log

ERROR = "Nats-Service-Error"
ERROR_CODE = "Nats-Service-Error-Code"

log = Log(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to one request."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Tell whether it says that something went wrong."""
        return ERROR_CODE in self.headers


Failure = Callable[[int, str], Reply]
"""Write an error with a code like HTTP's and a sentence for the caller."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is asked, and how many requests are answered at once."""

    name: str
    subjects: Sequence[str]
    at_once: int


@dataclass(slots=True)
class RequestCounts:
    """Requests since the start: answered (errors among them) and refused because too many were in hand."""

    answered: int = 0
    failed: int = 0
    refused: int = 0
    nanoseconds: int = 0


class Responder:
    """Answers the requests of one endpoint. Replicas share them: each goes to one."""

    def __init__(
        self, bus: Bus, endpoint: Endpoint, answer: Callable[[Arrival], Awaitable[Reply]], failure: Failure
    ) -> None:
        self._bus = bus
        self._endpoint = endpoint
        self._answer = answer
        self._failure = failure
        self._in_hand = 0
        self.counts = RequestCounts()

    @asynccontextmanager
    async def responding(self) -> AsyncIterator[None]:
        """Answer until the block ends, and then what arrived before that."""
        async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:

            async def receive(arrival: Arrival) -> None:
                if self._in_hand >= self._endpoint.at_once:
                    self.counts.refused += 1
                    await self._send(arrival, self._failure(429, f"{self._in_hand} requests are being answered"))
                elif arrival.reply:
                    self._in_hand += 1
                    tasks.create_task(self._respond(arrival))

            for subject in self._endpoint.subjects:
                await stack.enter_async_context(self._bus.subscribe(subject, receive, queue=self._endpoint.name))
            yield

    async def _respond(self, arrival: Arrival) -> None:
        began = perf_counter_ns()
        try:
            reply = await self._answer(arrival)
        except Exception:
            log.exception("request failed", endpoint=self._endpoint.name)
            reply = self._failure(500, "the request failed; the log tells why")
        finally:
            self._in_hand -= 1
        self.counts.answered += 1
        self.counts.failed += reply.failed
        self.counts.nanoseconds += perf_counter_ns() - began
        await self._send(arrival, reply)

    async def _send(self, arrival: Arrival, reply: Reply) -> None:
        try:
            await self._bus.send(arrival.reply, reply.body, headers=reply.headers)
        except MalformedError:
            too_large = self._failure(413, f"the answer has {len(reply.body)} bytes, more than the broker takes")
            await self._bus.send(arrival.reply, too_large.body, headers=too_large.headers)
        except EverloopError as error:
            log.warning("reply can't be sent", endpoint=self._endpoint.name, detail=str(error))


@dataclass(frozen=True, slots=True)
class Identity:
    """How a service of NATS names itself: name and id are subject tokens."""

    name: str
    id: str
    version: str
    description: str
    started: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


@asynccontextmanager
async def discoverable(bus: Bus, identity: Identity, endpoint: Endpoint, counts: RequestCounts) -> AsyncIterator[None]:
    """Answer NATS' own questions about services (``nats micro ls``), until the block ends."""
    about = {"name": identity.name, "id": identity.id, "version": identity.version, "metadata": dict(identity.metadata)}
    places = [
        {"name": endpoint.name, "subject": subject, "queue_group": endpoint.name} for subject in endpoint.subjects
    ]

    def stats() -> dict[str, Any]:
        counted = {
            "num_requests": counts.answered + counts.refused,
            "num_errors": counts.failed + counts.refused,
            "last_error": "",
            "processing_time": counts.nanoseconds,
            "average_processing_time": counts.nanoseconds // max(1, counts.answered),
        }
        # Counted over all subjects of the endpoint; told once.
        return {"started": identity.started.isoformat(), "endpoints": [places[0] | counted]}

    questions: Mapping[str, Callable[[], dict[str, Any]]] = {
        "PING": dict,
        "INFO": lambda: {"description": identity.description, "endpoints": places},
        "STATS": stats,
    }

    async def answer(arrival: Arrival) -> None:
        verb = arrival.subject.split(".")[1]
        said = {**about, "type": f"io.nats.micro.v1.{verb.lower()}_response", **questions[verb]()}
        await bus.send(arrival.reply, json.dumps(said).encode())

    async with AsyncExitStack() as stack:
        for verb in questions:
            for tail in ("", f".{identity.name}", f".{identity.name}.{identity.id}"):
                await stack.enter_async_context(bus.subscribe(f"$SRV.{verb}{tail}", answer))
        yield
