"""Keys that a JSON body repeats. A parser takes the last one in silence, and whoever sent two gets an answer to the
one they may not have meant."""

import json
from collections.abc import Mapping
from typing import Any

from services.serving.replica.errors import RequestError, quoted


def refuse_repeated(body: bytes | memoryview, most: Mapping[str, int]) -> None:
    """Refuse a body in which an object has a key twice.

    Looking at every key would take many times what parsing takes. So the names that decide an answer are counted in
    the bytes, and only a body with more of them than there can be is looked at closely.

    Args:
        body: JSON that parses.
        most: Keys that decide the answer, and how often each is there if none is repeated.

    Raises:
        RequestError: 400, naming the key.
    """
    content = bytes(body)
    if any(content.count(f'"{name}"'.encode()) > count for name, count in most.items()):
        try:
            json.loads(content, object_pairs_hook=_once)
        except RecursionError as error:
            raise RequestError(400, "the body is nested too deeply") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise RequestError(400, f"the key {quoted(repeated)} is there twice in one object")
    return found
