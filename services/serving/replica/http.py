"""The HTTP faces of one model: the Open Inference Protocol, and rows as objects. No pydantic on a request's way."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from services.serving.replica.answering import Answering
from services.serving.replica.edge import Lifespan, answer, application, unmounted
from services.serving.replica.errors import RequestError
from services.serving.replica.lineup import LoadedVersion
from services.serving.replica.lookup_openapi import LOOKUP
from services.serving.replica.openapi import document
from services.serving.replica.posting import Face, Posting, straight
from services.serving.replica.protocol import model_metadata
from services.serving.replica.v1 import predict
from services.serving.replica.v2 import infer


class Inference:
    """One model over HTTP."""

    def __init__(
        self,
        answering: Answering,
        *,
        max_request_bytes: int,
        request_timeout_s: float = 10.0,
        look_up: Face | None = None,
    ) -> None:
        """Prepare.

        Args:
            answering: The model.
            max_request_bytes: Of a body.
            request_timeout_s: How long a body may take to come.
            look_up: Finds scores that were given in advance.
        """
        self._answering = answering
        self._model = answering.model
        self._posts: dict[str, Face] = {"predict": predict} | ({"lookup": look_up} if look_up else {})
        self._max_request_bytes = max_request_bytes
        self._request_timeout_s = request_timeout_s

    def app(self, lifespan: Lifespan | None = None) -> ASGIApp:
        """Make the application; it serves full paths, wherever it is mounted."""
        v2 = f"/v2/models/{self._model}"
        people = (f"{v2}/v1", f"/v1/models/{self._model}")
        posts = {f"{v2}/infer": self._posting(infer), f"{v2}/versions/{{version}}/infer": self._posting(infer)}
        for v1 in people:
            posts |= {f"{v1}/{name}": self._posting(face) for name, face in self._posts.items()}
            posts[f"{v1}/versions/{{version}}/predict"] = self._posting(predict)
        routes = [
            *(Route(path, posting, methods=["POST"]) for path, posting in posts.items()),
            Route(v2, self.metadata),
            Route(f"{v2}/ready", self.ready),
            Route(f"{v2}/versions/{{version}}", self.metadata),
            Route(f"{v2}/versions/{{version}}/ready", self.ready),
        ]
        for v1 in people:
            routes += [
                Route(v1, self.description),
                Route(f"{v1}/openapi.json", self.openapi),
                Route(f"{v1}/versions/{{version}}", self.description),
                Route(f"{v1}/versions/{{version}}/openapi.json", self.openapi),
            ]
        return straight(posts, unmounted(application(routes, lifespan)))

    async def metadata(self, request: Request) -> Response:
        """Describe the model or one version, in the protocol's words."""
        chosen = self._chosen(request)
        return answer(model_metadata(self._model, self._answering.shelf.versions, chosen.signature, chosen.format))

    async def ready(self, request: Request) -> Response:
        """Tell whether the model, or one version, would answer."""
        try:
            self._chosen(request)
        except RequestError as error:
            content = {"name": self._model, "ready": False, "error": str(error)}
            return answer(content, error.status, retry_after_s=error.retry_after_s)
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

    def _posting(self, face: Face) -> Posting:
        return Posting(face, self._answering, max_bytes=self._max_request_bytes, timeout_s=self._request_timeout_s)

    def _chosen(self, request: Request) -> LoadedVersion:
        return self._answering.choose(request.path_params.get("version"))

    def _document(self, chosen: LoadedVersion) -> dict[str, Any]:
        described = document(self._model, chosen.version, chosen.signature, chosen.dataset)
        if "lookup" in self._posts:
            described["paths"][f"/v1/models/{self._model}/lookup"] = LOOKUP
        return described
