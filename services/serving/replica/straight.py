"""The straight way into a replica: from the server that Serve starts in it to the model's application.

Serve wraps every request in a task, a context and metrics that nobody here reads, which costs a third of what a
replica can answer. It offers a hook for middlewares of that server, and this one hands requests for the model over
to the model. What the wrapper did that matters is done here: a bound on requests at once, a bound on those that
wait, and a refusal in the protocol's words.

A replica whose number follows the load keeps the wrapper, since its counts are what the number follows.
"""

from socket import socket
from typing import Any

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from services.serving.haproxy import HOST
from services.serving.replica import room
from services.serving.replica.edge import refusal
from services.serving.replica.errors import RETRY_AFTER_S
from services.serving.replica.room import TOO_MANY, Room

LARGEST_MESSAGE = "grpc.max_receive_message_length"
OF_SERVE = "/-/"
"""Paths that Serve answers: the health HAProxy asks for, and routes."""


class Entrance:
    """A model's application behind the bounds of this process."""

    def __init__(self, app: ASGIApp, room: Room) -> None:
        self._app = app
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it at once."""
        if self._room.is_full:
            refused = refusal(scope["path"], 503, TOO_MANY, {"retry-after": str(RETRY_AFTER_S)})
            await refused(scope, receive, send)
            return
        async with self._room:
            await self._app(scope, receive, send)


entrance: Entrance | None = None
"""Of the one replica in this process; None where Serve's own way is kept."""


class Straight:
    """The middleware, in front of Serve's wrapper."""

    def __init__(self, serve: ASGIApp) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request over, to the model or to Serve."""
        straight = entrance is not None and scope["type"] == "http" and not scope["path"].startswith(OF_SERVE)
        await (entrance if straight and entrance else self._serve)(scope, receive, send)


def on_start() -> list[Middleware]:
    """Prepare a process of Serve; Serve calls it before a replica or its own proxy listens."""
    from ray.serve._private import default_impl, grpc_util, replica

    # A message of gRPC is whole in memory before anybody is asked whether it is too large.
    bounded = {
        **dict(grpc_util.DEFAULT_GRPC_SERVER_OPTIONS),
        "grpc.max_receive_message_length": room.here.largest_bytes,
    }
    grpc_util.DEFAULT_GRPC_SERVER_OPTIONS = list(bounded.items())
    # Serve binds its gRPC servers to every interface. HAProxy is on this machine and in front of all of them, and so
    # are the replicas that call one another.
    default_impl.add_grpc_address = _add_on_loopback
    replica.add_port_to_grpc_server = _add_on_loopback
    return [Middleware(Straight)]


def _add_on_loopback(server: Any, address: str) -> int:
    port = int(address.rpartition(":")[2])
    # Ray chooses the same ports in every cluster, and gRPC shares a port without a word; told, Serve takes the next.
    with socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise RuntimeError(f"port {port} is taken") from error
    return int(server.add_insecure_port(f"{HOST}:{port}"))
