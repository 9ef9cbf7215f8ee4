"""A call of MLflow's protocol: arguments checked, one transaction, an answer or an error in MLflow's JSON."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_origin

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from contracts.message import Message
from services.chassis.errors import EverloopError, MalformedError, RejectedError, TransientError
from services.chassis.http import READING
from services.chassis.logs import Log
from services.chassis.work import Transaction, Work
from services.registry.mlflow.errors import HEADERS, Code, MlflowError, refuse_value
from services.registry.mlflow.identity import MLFLOW, claimed_by
from services.registry.search.language import SearchError

log = Log(__name__)
JSON = "application/json"


class Arguments(BaseModel):
    """What a call is given. As in protobuf's JSON, numbers may be texts, and unknown names are ignored.

    Attributes:
        claimed_by: Who asks, as they say; read from their credentials alone.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    claimed_by: str = MLFLOW


A = TypeVar("A", bound=Arguments)
Handler = Callable[[A, Any], Awaitable[Mapping[str, Any]]]
"""Is given its arguments and a transaction; of a method that waits, what opens transactions."""


@dataclass(frozen=True)
class Method:
    """One method of the protocol.

    Attributes:
        verb: The HTTP method.
        path: Below ``/api/2.0``, with Starlette's ``{name}`` for what is part of the path.
        arguments: What it is given: path, and body or query.
        handler: Answers it.
        reads: Whether it only reads, for a POST that does.
    """

    verb: str
    path: str
    arguments: type[Arguments]
    handler: Handler[Any]
    reads: bool = False

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        try:
            answer = await self._answer(await self._read(request), work_of(request))
        except Exception as error:  # whatever happened, the client is told in its own protocol
            return failure(request, error)
        return Response(orjson.dumps(answer), media_type=JSON)

    async def _answer(self, arguments: Arguments, work: Work) -> Mapping[str, Any]:
        async with work.transaction(write=not (self.reads or self.verb in READING)) as transaction:
            return await self.handler(arguments, transaction)

    async def _read(self, request: Request) -> Arguments:
        who = claimed_by(request.headers.get("authorization"))
        given: dict[str, Any] = {}
        body = b""
        for name in request.query_params:
            values = request.query_params.getlist(name)
            field = self.arguments.model_fields.get(name)
            given[name] = values if field and get_origin(field.annotation) is tuple else values[-1]
        if self.verb not in READING:
            body = await request.body()
            given |= _object(body)
        if b"\\u0000" in body or b"%00" in request.scope["query_string"] or "\0" in request.scope["path"]:
            _refuse_nul(given | request.path_params)
        return self.arguments.model_validate(given | request.path_params | {"claimed_by": who})


@dataclass(frozen=True)
class WaitingMethod(Method):
    """A method that waits for something outside of transactions: its handler is given what opens them."""

    async def _answer(self, arguments: Arguments, work: Work) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = await self.handler(arguments, work)
        return answer


def routes(methods: Iterable[Method]) -> list[BaseRoute]:
    """Make Starlette's routes, to be mounted below ``/api/2.0``."""
    made = [Route(method.path, method.__call__, methods=[method.verb]) for method in methods]
    return [
        FixedRoutes(route for route in made if "{" not in route.path),
        *(route for route in made if "{" in route.path),
    ]


class FixedRoutes(BaseRoute):
    """Routes whose paths are fixed, found at once: there are many, and each would be tried in its turn."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = {(verb, route.path): route for route in routes for verb in route.methods or ()}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Find the route of a verb and a path."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        route = self._routes.get((scope.get("method", ""), path))
        return route.matches(scope) if route else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the route that was found answer."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        await self._routes[scope["method"], path].handle(scope, receive, send)


def done(facts: Iterable[Message], transaction: Transaction) -> dict[str, Any]:
    """Say what was done, and answer no more than that it was."""
    for fact in facts:
        transaction.say(fact)
    return {}


def work_of(request: Request) -> Work:
    """Find what opens transactions.

    Raises:
        TransientError: The service still starts.
    """
    work: Work | None = getattr(request.app.state, "work", None)
    if work is None:
        raise TransientError("service_starting")
    return work


def failure(request: Request, error: Exception) -> Response:
    """Say in MLflow's words what went wrong."""
    code, message = _told(error)
    if code is Code.INTERNAL_ERROR:
        log.error("request failed", method=request.method, path=request.url.path, error=type(error).__name__)
    content = orjson.dumps({"error_code": code.value[1], "message": message})
    return Response(content, code.status, HEADERS.get(code), media_type=JSON)


def _told(error: Exception) -> tuple[Code, str]:
    match error:
        case MlflowError():
            return error.code, str(error)
        case ValidationError():
            return Code.INVALID_PARAMETER_VALUE, _faults(error)
        case SearchError():
            return Code.INVALID_PARAMETER_VALUE, str(error)
        case HTTPException(status_code=413):
            return Code.INVALID_PARAMETER_VALUE, str(error.detail)
        case RejectedError() if error.slug.endswith("_not_found"):
            return Code.RESOURCE_DOES_NOT_EXIST, str(error)
        case RejectedError() if "field" in error.fields:
            return Code.INVALID_PARAMETER_VALUE, str(error)
        case RejectedError() if error.slug.endswith("_exists"):
            return Code.RESOURCE_ALREADY_EXISTS, str(error)
        case RejectedError():
            return Code.PERMISSION_DENIED, str(error)
        case MalformedError():
            return Code.INVALID_PARAMETER_VALUE, str(error)
        case EverloopError():
            return Code.TEMPORARILY_UNAVAILABLE, str(error)
        case _:
            return Code.INTERNAL_ERROR, "the service failed; its log tells why"


def _faults(error: ValidationError) -> str:
    said = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        name = ".".join(map(str, fault["loc"]))
        if fault["type"] == "missing":
            said.append(f"Missing value for required parameter '{name}'.")
        else:
            said.append(f"Invalid value for parameter '{name}': {fault['msg']}.")
    return " ".join(said)


def _refuse_nul(given: object) -> None:
    """Refuse the one character that PostgreSQL keeps in no text, wherever it is."""
    unseen = [given]
    while unseen:
        match unseen.pop():
            case str(text) if "\0" in text:
                refuse_value("A text must not contain a NUL.")
            case dict(fields):
                unseen += [*fields, *fields.values()]
            case list(values):
                unseen += values


def _object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MlflowError(Code.INVALID_PARAMETER_VALUE, f"The body is not JSON: {error}.") from error
    if not isinstance(read, dict):
        refuse_value("The body must be a JSON object.")
    return read
