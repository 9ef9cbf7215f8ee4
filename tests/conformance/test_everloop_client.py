"""Everloop's own client, which `everloop predict` is made of."""

import httpx
import pytest

from everloop.client import Platform
from everloop.client.errors import RefusedError
from everloop.platform.state import Endpoints
from tests.fixtures.bundles import bundles
from tests.fixtures.inference import Server, server

__all__ = ["bundles", "server"]


async def test_rows_are_predicted(server: Server) -> None:
    rows = [
        {"x": 1, "stops": 2.0, "carrier": "UA", "at": "2013-01-01T05:15:00-05:00"},
        {"x": 2.5, "stops": None, "carrier": "DL", "at": "2013-01-01T06:15:00-05:00"},
    ]
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await platform(server, http).predict("tiny", rows, event_time="at")

    assert (answer.model, answer.version, list(answer.scores)) == ("tiny", 2, [2001.0, 2002.5])
    assert len(set(answer.prediction_ids)) == 2


async def test_refusal_says_what_the_model_said(server: Server) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(RefusedError, match="input 'x' is FP64 and holds JSON strings"):
            await platform(server, http).predict("tiny", [{"x": "far", "stops": 0, "carrier": "UA"}])
        with pytest.raises(RefusedError, match="no model 'other' is served here"):
            await platform(server, http).predict("other", [{"x": 1.5}])


def platform(server: Server, http: httpx.AsyncClient) -> Platform:
    return Platform(Endpoints(nats="", services={}, ray="", serve=server.url, otlp=""), None, http)  # type: ignore[arg-type]
