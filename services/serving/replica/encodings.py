"""Request bodies as they come: bounded in size and time, and unpacked where they are compressed."""

import asyncio
import zlib

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from services.serving.replica.errors import RequestError

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""What each content coding is to zlib; HTTP's deflate has zlib's frame."""


async def read_body(
    receive: Receive, *, length: str | None, coding: str | None, max_bytes: int, timeout_s: float
) -> bytes:
    """Read a body.

    Args:
        receive: Where its parts come from, as ASGI has it.
        length: Its ``Content-Length``, which spares reading what is too large.
        coding: Its ``Content-Encoding``.
        max_bytes: Most bytes taken, packed and unpacked alike: what unpacks to more is not unpacked further.
        timeout_s: For all of it. Whoever is slow takes a place among those that are answered.

    Raises:
        RequestError: 408 if it does not come, 413 if it is too large, 415 for an unknown coding, 400 for a broken one.
        ClientDisconnect: Nobody waits for an answer any more.
    """
    window = _window(coding)
    if length is not None and length.isascii() and length.isdigit() and int(length) > max_bytes:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            body = await _whole(receive, max_bytes)
    except TimeoutError as error:
        raise RequestError(408, f"the body did not come within {timeout_s:g} s") from error
    return body if window is None else _unpacked(body, window, max_bytes)


async def _whole(receive: Receive, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _window(coding: str | None) -> int | None:
    if coding is None or coding.strip().lower() in ("", "identity"):
        return None
    window = _WINDOW.get(coding.strip().lower())
    if window is None:
        raise RequestError(415, f"the Content-Encoding {coding[:50]!r} is not taken; gzip, deflate and identity are")
    return window


def _unpacked(body: bytes, window: int, max_bytes: int) -> bytes:
    unpacker = zlib.decompressobj(window)
    try:
        content = unpacker.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise RequestError(400, f"the body is not what its Content-Encoding says: {error}") from error
    if len(content) > max_bytes:
        raise _too_large(max_bytes)
    if not unpacker.eof or unpacker.unused_data:
        raise RequestError(400, "the body is not what its Content-Encoding says: it is cut or has more behind it")
    return content


def _too_large(max_bytes: int) -> RequestError:
    return RequestError(413, f"the body is larger than {max_bytes} bytes")
