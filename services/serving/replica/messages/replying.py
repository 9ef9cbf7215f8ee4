"""Model on demand over core NATS, asked as HTTP is: headers, bodies and answers are the same.

``inference.<model>`` and ``inference.<model>.<version>`` speak the Open Inference Protocol; with ``.predict`` behind
them they take rows as JSON objects. Nothing is kept: who gets no answer asks again.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import orjson

from contracts.message import utc_now
from contracts.streams import REQUESTS
from services.chassis.bus import Bus
from services.chassis.delivery import Arrival
from services.chassis.logs import Log
from services.chassis.replies import ERROR, ERROR_CODE, Endpoint, Identity, Reply, Responder, discoverable
from services.serving.replica import v1, v2
from services.serving.replica.answering import Answering
from services.serving.replica.errors import MODEL_FAILED, RETRY_AFTER_S, RequestError, log_bug

SERVICE = "everloop-inference"

log = Log(__name__)


class Replying:
    """Answers requests for one model, several at a time."""

    def __init__(self, bus: Bus, answering: Answering, *, replica: str, at_once: int, max_request_bytes: int) -> None:
        self._bus = bus
        self._answering = answering
        self._max_request_bytes = max_request_bytes
        subject = f"{REQUESTS}.{answering.model}"
        self._endpoint = Endpoint(answering.model, (subject, f"{subject}.>"), at_once)
        self._identity = Identity(
            SERVICE,
            f"{answering.model}-{replica}",
            version("everloop"),
            "Models on demand, by the Open Inference Protocol",
            utc_now(),
            {"model": answering.model},
        )
        self._responder = Responder(bus, self._endpoint, self._answer, failure)
        self.counts = self._responder.counts

    @asynccontextmanager
    async def replying(self) -> AsyncIterator[None]:
        """Answer until the block ends, and then what arrived before that."""
        async with self._responder.responding(), discoverable(self._bus, self._identity, self._endpoint, self.counts):
            yield

    async def _answer(self, arrival: Arrival) -> Reply:
        headers = {name.lower(): value for name, value in arrival.headers.items()}
        try:
            if len(arrival.body) > self._max_request_bytes:
                raise RequestError(413, f"the body is larger than {self._max_request_bytes} bytes")
            match arrival.subject.split(".")[2:]:
                case ["predict"]:
                    answered = await v1.predict(self._answering, arrival.body, headers)
                case [number, "predict"]:
                    answered = await v1.predict(self._answering, arrival.body, headers, number)
                case [] | [_] as number:
                    answered = await v2.infer(self._answering, arrival.body, headers, *number)
                case _:
                    raise RequestError(404, f"nothing is asked on {arrival.subject}")
        except RequestError as error:
            return failure(error.status, str(error), retry_after_s=error.retry_after_s)
        except Exception as error:
            log_bug(log, "request failed", error, subject=arrival.subject)
            return failure(500, MODEL_FAILED)
        return Reply(answered.body, answered.headers)


def failure(status: int, message: str, *, retry_after_s: int | None = None) -> Reply:
    """Write an error as the protocol does, with the code where NATS' services have it."""
    headers = {ERROR: message.encode("ascii", "replace").decode(), ERROR_CODE: str(status), "content-type": v2.JSON}
    if status == 429 or retry_after_s:
        headers["retry-after"] = str(retry_after_s or RETRY_AFTER_S)
    return Reply(orjson.dumps({"error": message}), headers)
