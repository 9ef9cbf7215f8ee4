"""The HTTP faces of one model: the Open Inference Protocol, and rows as objects. No pydantic on a request's way."""

from collections.abc import Mapping
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from services.serving.replica.answering import Answering
from services.serving.replica.edge import Lifespan, answer, application, unmounted
from services.serving.replica.encodings import read_body
from services.serving.replica.errors import RequestError
from services.serving.replica.lineup import LoadedVersion
from services.serving.replica.openapi import document
from services.serving.replica.protocol import model_metadata
from services.serving.replica.v1 import predict
from services.serving.replica.v2 import Reply, infer


class Face(Protocol):
    """Answers one request, from body to body."""

    async def __call__(
        self,
        answering: Answering,
        body: bytes,
        headers: Mapping[str, str],
        version: str | None = None,
        *,
        explain: bool = False,
    ) -> Reply:
        """Answer."""


class Inference:
    """One model over HTTP."""

    def __init__(self, answering: Answering, *, max_request_bytes: int, look_up: Face | None = None) -> None:
        self._answering = answering
        self._model = answering.model
        self._max_request_bytes = max_request_bytes
        self._look_up = look_up

    def app(self, lifespan: Lifespan | None = None) -> ASGIApp:
        """Make the application; it serves full paths, wherever it is mounted."""
        v2 = f"/v2/models/{self._model}"
        routes = [
            Route(f"{v2}/infer", self.infer, methods=["POST"]),
            Route(f"{v2}/versions/{{version}}/infer", self.infer, methods=["POST"]),
            Route(v2, self.metadata),
            Route(f"{v2}/ready", self.ready),
            Route(f"{v2}/versions/{{version}}", self.metadata),
            Route(f"{v2}/versions/{{version}}/ready", self.ready),
        ]
        for v1 in (f"{v2}/v1", f"/v1/models/{self._model}"):
            routes += [
                Route(f"{v1}/predict", self.predict, methods=["POST"]),
                Route(f"{v1}/versions/{{version}}/predict", self.predict, methods=["POST"]),
                Route(v1, self.description),
                Route(f"{v1}/openapi.json", self.openapi),
                Route(f"{v1}/versions/{{version}}", self.description),
                Route(f"{v1}/versions/{{version}}/openapi.json", self.openapi),
            ]
            if self._look_up:
                routes.append(Route(f"{v1}/lookup", self.look_up, methods=["POST"]))
        return unmounted(application(routes, lifespan))

    async def infer(self, request: Request) -> Response:
        """Score tensors."""
        return await self._reply(infer, request)

    async def predict(self, request: Request) -> Response:
        """Score rows."""
        return await self._reply(predict, request)

    async def look_up(self, request: Request) -> Response:
        """Find scores that were computed in advance."""
        assert self._look_up, "there is no route without it"
        return await self._reply(self._look_up, request)

    async def metadata(self, request: Request) -> Response:
        """Describe the model or one version, in the protocol's words."""
        return answer(model_metadata(self._model, self._answering.shelf.versions, self._chosen(request).signature))

    async def ready(self, request: Request) -> Response:
        """Tell whether the model, or one version, would answer."""
        try:
            self._chosen(request)
        except RequestError as error:
            return answer({"name": self._model, "ready": False, "error": str(error)}, error.status)
        return answer({"name": self._model, "ready": True})

    async def description(self, request: Request) -> Response:
        """Describe the model or one version to people: what a row is."""
        chosen = self._chosen(request)
        described = self._document(chosen)
        return answer(
            {
                "model": self._model,
                "version": chosen.version,
                "versions": self._answering.shelf.versions,
                "row": described["components"]["schemas"]["Row"],
                "openapi": f"/v1/models/{self._model}/openapi.json",
            }
        )

    async def openapi(self, request: Request) -> Response:
        """Describe everything that can be asked of the model or one version."""
        return answer(self._document(self._chosen(request)))

    def _chosen(self, request: Request) -> LoadedVersion:
        return self._answering.choose(request.path_params.get("version"))

    def _document(self, chosen: LoadedVersion) -> dict[str, Any]:
        return document(self._model, chosen.version, chosen.signature, chosen.dataset)

    async def _reply(self, face: Face, request: Request) -> Response:
        # Starlette's own mapping decodes every header at every look-up.
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
        body = await read_body(
            request,
            length=headers.get("content-length"),
            coding=headers.get("content-encoding"),
            max_bytes=self._max_request_bytes,
        )
        version = request.path_params.get("version")
        reply = await face(self._answering, body, headers, version, explain=_explain(request))
        return Response(reply.body, headers=reply.headers)


def _explain(request: Request) -> bool:
    if not request.scope["query_string"]:
        return False
    given = request.query_params.get("explain", "false")
    if given not in ("true", "false"):
        raise RequestError(400, "explain must be true or false")
    return given == "true"
