"""The way of a posted question, from the server's hands to a face and back, as short as it can be.

Routing and request objects take longer than reading the question does, so the paths that carry the load are looked
up in a table before any of that.
"""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from services.serving.replica.answering import Answering
from services.serving.replica.edge import failure, refusal_of
from services.serving.replica.encodings import read_body
from services.serving.replica.errors import RequestError
from services.serving.replica.v2 import Reply


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


class Posting:
    """One face as an ASGI application."""

    def __init__(self, face: Face, answering: Answering, *, max_bytes: int, timeout_s: float) -> None:
        self._face = face
        self._answering = answering
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            reply = await self._reply(scope, receive)
        except ClientDisconnect:
            return
        except RequestError as error:
            await refusal_of(error, scope["path"])(scope, receive, send)
        # A face is as good as the model behind it; whatever is wrong with that is one request's trouble.
        except Exception as error:
            await failure(error, scope["path"])(scope, receive, send)
        else:
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
            headers.append((b"content-length", b"%d" % len(reply.body)))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = await read_body(
            receive,
            length=headers.get("content-length"),
            coding=headers.get("content-encoding"),
            max_bytes=self._max_bytes,
            timeout_s=self._timeout_s,
        )
        version = scope.get("path_params", {}).get("version")
        return await self._face(self._answering, body, headers, version, explain=_explain(scope["query_string"]))


def straight(posts: Mapping[str, ASGIApp], others: ASGIApp) -> ASGIApp:
    """Look up what is posted to a known path, and leave everything else to another application."""

    async def chosen(scope: Scope, receive: Receive, send: Send) -> None:
        known = posts.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        await (known or others)(scope, receive, send)

    return chosen


def _explain(query: bytes) -> bool:
    if not query:
        return False
    given = parse_qs(query.decode("latin-1")).get("explain", ["false"])[-1]
    if given not in ("true", "false"):
        raise RequestError(400, "explain must be true or false")
    return given == "true"
