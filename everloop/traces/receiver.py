"""The OTLP/HTTP receiver: ``python -m everloop.traces.receiver --port 4318 spans.sqlite``."""

import argparse
import asyncio
import contextlib
import gzip
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from everloop.traces.otlp import UnreadableExportError, read_export
from everloop.traces.store import SpanStore

PROTOBUF = "application/x-protobuf"
KEPT_DAYS = 30
FORGET_EVERY_S = 3600.0


def build(store: SpanStore) -> Starlette:
    """Make the application around a store."""

    async def export(request: Request) -> Response:
        if not request.headers.get("content-type", "").startswith(PROTOBUF):
            return PlainTextResponse(f"send {PROTOBUF}", status_code=415)
        body = await request.body()
        try:
            if request.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            spans = read_export(body)
        except (UnreadableExportError, OSError, EOFError, zlib.error) as error:
            return PlainTextResponse(str(error), status_code=400)
        await asyncio.to_thread(store.add, spans)
        # An empty ExportTraceServiceResponse: everything was taken.
        return Response(b"", media_type=PROTOBUF)

    async def drop(_request: Request) -> Response:
        """Metrics and logs are kept by a collector, where one is configured; senders need not retry."""
        return Response(b"", media_type=PROTOBUF)

    async def ready(_request: Request) -> Response:
        return PlainTextResponse("ok")

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            forgetting = group.create_task(_forget(store))
            yield
            forgetting.cancel()

    return Starlette(
        routes=[
            Route("/v1/traces", export, methods=["POST"]),
            Route("/v1/metrics", drop, methods=["POST"]),
            Route("/v1/logs", drop, methods=["POST"]),
            Route("/health/ready", ready),
        ],
        lifespan=lifespan,
    )


async def _forget(store: SpanStore) -> None:
    while True:
        await asyncio.to_thread(store.forget_before, time.time_ns() - KEPT_DAYS * 86400 * 10**9)
        await asyncio.sleep(FORGET_EVERY_S)


def main() -> None:
    """Serve until asked to stop."""
    parser = argparse.ArgumentParser(prog="python -m everloop.traces.receiver")
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    store = SpanStore(options.file)
    try:
        uvicorn.run(build(store), host="127.0.0.1", port=options.port, log_level="warning", access_log=False)
    finally:
        store.close()


if __name__ == "__main__":
    main()
