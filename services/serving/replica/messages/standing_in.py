"""Requests over core NATS for a model that sleeps: the door hears them, and asks the front, as any caller could.

The front starts a replica for a request over HTTP and has it wait; of the broker it knows nothing. The door is in the
replicas' group of subscribers, so that while one of them wakes each request still goes to one of the two.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from contracts.streams import REQUESTS
from services.chassis.bus import Bus
from services.chassis.delivery import Arrival
from services.chassis.errors import EverloopError, TransientError
from services.chassis.logs import Log
from services.chassis.replies import Endpoint, Reply, Responder
from services.serving.ports import Board
from services.serving.replica.errors import RETRY_AFTER_S
from services.serving.replica.messages.replying import failure
from services.serving.replica.protocol import BINARY_HEADER
from services.serving.replica.v2 import PREDICTION_ID_HEADER, ROUTING_KEY_HEADER, VERSION_HEADER

LOOK_EVERY_S = 1.0
LONGEST_WAKE_S = 60.0
ASKED_WITH = ("traceparent", ROUTING_KEY_HEADER, BINARY_HEADER)
ANSWERED_WITH = ("content-type", BINARY_HEADER, VERSION_HEADER, PREDICTION_ID_HEADER)

log = Log(__name__)


@dataclass(frozen=True, slots=True)
class Watch:
    """Hearing for one model, until it is awake."""

    awake: asyncio.Event
    task: asyncio.Task[None]


class StandIn:
    """Hears for models that have no replica."""

    def __init__(self, bus: Bus, board: Board, front: httpx.AsyncClient, *, at_once: int) -> None:
        """Prepare.

        Args:
            bus: Where requests come from.
            board: Tells which models sleep.
            front: Asks where any caller does.
            at_once: Requests of one model that wait for it; more are refused.
        """
        self._bus = bus
        self._board = board
        self._front = front
        self._at_once = at_once

    async def run(self) -> None:
        """Hear for every model that sleeps, until cancelled."""
        watches: dict[str, Watch] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    asleep = await self._asleep()
                except (TransientError, ValidationError) as error:
                    log.warning("board can't be read", detail=str(error))
                else:
                    watches = {model: watch for model, watch in watches.items() if not watch.task.done()}
                    for model in watches.keys() - asleep:
                        watches[model].awake.set()
                    for model in asleep - watches.keys():
                        awake = asyncio.Event()
                        watches[model] = Watch(awake, tasks.create_task(self._hear(model, awake)))
                await asyncio.sleep(LOOK_EVERY_S)

    async def _asleep(self) -> set[str]:
        idle = [one.pipeline for one in await self._board.all_desired() if one.idle and one.answering]
        return {model for model in idle if not any(one.answering for one in await self._board.reports(model))}

    async def _hear(self, model: str, awake: asyncio.Event) -> None:
        subject = f"{REQUESTS}.{model}"
        endpoint = Endpoint(model, (subject, f"{subject}.>"), self._at_once)
        try:
            async with Responder(self._bus, endpoint, self._answer, failure).responding():
                await awake.wait()
        except EverloopError as error:
            log.warning("requests of a model that sleeps can't be heard", model=model, detail=str(error))

    async def _answer(self, arrival: Arrival) -> Reply:
        path = _path(arrival.subject)
        if path is None:
            return failure(404, f"nothing is asked on {arrival.subject}")
        sent = {name.lower(): value for name, value in arrival.headers.items()}
        try:
            answered = await self._front.post(path, content=arrival.body, headers=_only(ASKED_WITH, sent))
        except httpx.HTTPError as error:
            log.warning("front does not answer", path=path, error=type(error).__name__)
            return failure(503, "the model does not wake; come again", retry_after_s=RETRY_AFTER_S)
        if answered.is_success:
            return Reply(answered.content, _only(ANSWERED_WITH, answered.headers))
        again = answered.headers.get("retry-after", "")
        return failure(answered.status_code, _said(answered), retry_after_s=int(again) if again.isdigit() else None)


def _path(subject: str) -> str | None:
    _, model, *rest = (quote(token, safe="") for token in subject.split("."))
    match rest:
        case []:
            return f"/v2/models/{model}/infer"
        case ["predict"]:
            return f"/v1/models/{model}/predict"
        case [version]:
            return f"/v2/models/{model}/versions/{version}/infer"
        case [version, "predict"]:
            return f"/v1/models/{model}/versions/{version}/predict"
        case _:
            return None


def _only(names: tuple[str, ...], headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in names if name in headers}


def _said(refused: httpx.Response) -> str:
    """Read an error in the protocol's words, or in those for people."""
    try:
        content = refused.json()
        return str(content.get("error") or content["detail"])
    except (ValueError, LookupError, AttributeError):
        return refused.reason_phrase
