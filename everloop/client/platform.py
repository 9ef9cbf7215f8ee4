"""A running platform, as one object."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal, TypeVar
from uuid import UUID, uuid4

import httpx
from pydantic import ValidationError

from contracts.envelope import describe
from contracts.inference import RequestInference
from contracts.message import Event
from contracts.streams import stream_of
from everloop.client.bus import Bus, Heard, connect_bus
from everloop.client.errors import BusyError, PlatformUnreachableError, RefusedError, TimedOutError
from everloop.client.inference import Predictions, Row, read_answer, read_predictions, request_body
from everloop.platform.state import Endpoints

E = TypeVar("E", bound=Event)
Way = Literal["http", "nats"]
HTTP_TIMEOUT_S = 30.0
LOOK_AGAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class Platform:
    """Bus and services of one platform. Made by ``connect``."""

    endpoints: Endpoints
    bus: Bus
    http: httpx.AsyncClient

    async def wait_for(
        self,
        event: type[E],
        *,
        pipeline: str = "*",
        since: int,
        within_s: float,
        where: Callable[[E], bool] = lambda _event: True,
    ) -> E:
        """Wait until an event is said.

        Args:
            event: Its class.
            pipeline: About which pipeline.
            since: A place in the event stream, such as a receipt's ``mark``.
            within_s: How long.
            where: Which of them.

        Raises:
            TimedOutError: It was not said in time.
        """
        try:
            async with asyncio.timeout(within_s):
                async for heard in self.bus.follow(
                    f"{event.subject}.{pipeline}", since=since, stream=stream_of(event).name
                ):
                    if isinstance(heard.message, event) and where(heard.message):
                        return heard.message
        except TimeoutError as error:
            raise TimedOutError(f"no {event.__name__} within {within_s:g} s") from error
        raise PlatformUnreachableError("the broker closed the stream")

    async def story(
        self, message_id: str, *, since: int, within_s: float, pipeline: str = "*"
    ) -> AsyncGenerator[Heard]:
        """Hear every event that one message led to, in order.

        Args:
            message_id: The message that began it.
            since: A place in the event stream before it, such as a receipt's ``mark``.
            within_s: How long the story is listened to.
            pipeline: About which pipeline, where that is known; spares hearing the others.

        Raises:
            TimedOutError: The time is over. Who has heard enough leaves before.
        """
        try:
            async with asyncio.timeout(within_s):
                async with aclosing(self.bus.follow(f"events.*.*.*.*.{pipeline}", since=since)) as events:
                    async for heard in events:
                        if heard.envelope.correlationid == message_id:
                            yield heard
        except TimeoutError as error:
            raise TimedOutError(
                f"it was not over within {within_s:g} s; `everloop trace {message_id}` tells more"
            ) from error

    async def get(self, service: str, path: str, **query: str | int) -> Any:
        """Ask a service's API.

        Raises:
            RefusedError: It answers that there is no such thing, or another 4xx.
            PlatformUnreachableError: It does not answer, or with a 5xx.
        """
        return await ask(self.http, "GET", self.endpoints.of(service) + path, params=query)

    async def post(self, service: str, path: str, **options: Any) -> Any:
        """Send to a service's API; options are httpx's, such as ``json`` and ``files``. Raises as ``get`` does."""
        return await ask(self.http, "POST", self.endpoints.of(service) + path, **options)

    async def predict(
        self,
        model: str,
        rows: Sequence[Row],
        *,
        event_time: str | None = None,
        explain: bool = False,
        traceparent: str | None = None,
        over: Way = "http",
    ) -> Predictions:
        """Ask the model in production.

        Args:
            model: Its name.
            rows: One mapping from input to value per row.
            event_time: Column of the rows that says when each happened, ISO-8601 with a zone.
            explain: Ask what each of the model's columns added to each score, too.
            traceparent: The trace this belongs to, W3C; unset: a new one, kept.
            over: By HTTP, or by a request over the broker.

        Raises:
            RefusedError: Rows do not fit the model, or there is none of that name.
            PlatformUnreachableError: Serving does not answer.
        """
        traced = {"traceparent": traceparent or new_trace()}
        if over == "nats":
            body = json.dumps({"rows": list(rows), "explain": explain}).encode()
            return read_predictions(
                json.loads(await self.bus.request(f"inference.{model}.predict", body, headers=traced)), model=model
            )
        url = f"{self.endpoints.serve}/v2/models/{model}"
        metadata = await ask(self.http, "GET", url)
        asked = request_body(rows, metadata, extra=(event_time,) if event_time else ())
        if explain:
            asked["parameters"] = {"explain": True}
        return read_answer(await ask(self.http, "POST", f"{url}/infer", json=asked, headers=traced))

    async def look_up(self, model: str, asked: Mapping[str, Any]) -> Any:
        """Ask for scores that were computed in advance.

        Args:
            model: Its name.
            asked: ``keys``, and ``rows`` for live answers where none is ready.

        Raises:
            RefusedError: The keys are not the model's, or there is none of that name.
            PlatformUnreachableError: Serving does not answer.
        """
        # The path as the ingress hands it over: a redirect by the front door is spared.
        url = f"{self.endpoints.serve}/v2/models/{model}/v1/lookup"
        return await ask(self.http, "POST", url, json=asked)

    async def request_inference(
        self, model: str, rows: Sequence[Row], *, request_id: UUID | None = None, explain: bool = False
    ) -> UUID:
        """Queue rows to be answered as soon as a replica gets to them, even if none runs now.

        Args:
            model: Its name.
            rows: One mapping from input to value per row.
            request_id: Asked again under it, there is one result; unset: a new one.
            explain: Ask what each of the model's columns added to each score, too.

        Returns:
            The id that the result is found by.
        """
        request_id = request_id or uuid4()
        try:
            asked = tuple(dict(row) for row in rows)
            command = RequestInference(pipeline=model, request_id=request_id, rows=asked, explain=explain)
        except ValidationError as error:
            raise RefusedError(f"this can't be asked: {describe(error)}") from error
        await self.bus.say(command, source="client", traceparent=new_trace())
        return request_id

    async def inference(self, request_id: UUID, *, within_s: float = 0.0) -> Predictions:
        """Get the result of a queued request.

        Args:
            request_id: Its id.
            within_s: How long to wait for it.

        Raises:
            RefusedError: The request failed.
            TimedOutError: It has no result yet, or none any more.
        """
        until = monotonic() + within_s
        while True:
            result = await self._result(request_id)
            if result is not None:
                break
            if monotonic() >= until:
                raise TimedOutError(f"{request_id} has no result (yet)")
            await asyncio.sleep(LOOK_AGAIN_S)
        if result["state"] == "failed":
            raise RefusedError(f"{result['reason']} ({result['status']})")
        return read_predictions(result, model=result["pipeline"])

    async def _result(self, request_id: UUID) -> dict[str, Any] | None:
        url = f"{self.endpoints.of('serving')}/v1/inferences/{request_id}"
        try:
            response = await self.http.get(url)
        except httpx.HTTPError as error:
            raise PlatformUnreachableError(f"{url} does not answer: {error or type(error).__name__}") from error
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.is_error:
            raise PlatformUnreachableError(f"{url} failed: {_said(response)} (HTTP {response.status_code})")
        found: dict[str, Any] = response.json()
        return found


@asynccontextmanager
async def connect(endpoints: Endpoints) -> AsyncIterator[Platform]:
    """Connect to a platform for the length of a block.

    Raises:
        PlatformUnreachableError: Its broker does not answer.
    """
    async with connect_bus(endpoints.nats) as bus, httpx.AsyncClient(trust_env=False, timeout=HTTP_TIMEOUT_S) as http:
        yield Platform(endpoints, bus, http)


def new_trace() -> str:
    """Begin a trace that is kept, as a W3C traceparent."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


async def ask(http: httpx.AsyncClient, method: str, url: str, **options: Any) -> Any:
    """Make one HTTP call and read its JSON, turning problems into the client's errors.

    Raises:
        RefusedError: The answer is a 4xx; the error says what the server said.
        BusyError: 429 or 503.
        PlatformUnreachableError: No answer, or another 5xx.
    """
    try:
        response = await http.request(method, url, **options)
    except httpx.HTTPError as error:
        raise PlatformUnreachableError(f"{url} does not answer: {error or type(error).__name__}") from error
    if response.status_code in {429, 503}:
        raise BusyError(f"{_said(response)} (HTTP {response.status_code}); try again shortly")
    if response.is_server_error:
        raise PlatformUnreachableError(f"{url} failed: {_said(response)} (HTTP {response.status_code})")
    if response.is_client_error:
        raise RefusedError(_said(response))
    return response.json() if response.content else None


def _said(response: httpx.Response) -> str:
    """Find the sentence in a problem+json, an inference error or a bare body."""
    try:
        problem = response.json()
    except ValueError:
        return response.text[:300] or response.reason_phrase
    if not isinstance(problem, dict):
        return str(problem)[:300]
    title = str(problem.get("error") or problem.get("title") or response.reason_phrase)
    detail = problem.get("detail")
    return f"{title}: {detail}" if detail and detail != title else title
