"""Clients whose dependencies can't stand beside ours, replayed byte by byte as ``record`` wrote them down."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.bundles import bundles
from tests.fixtures.inference import Server, server

__all__ = ["bundles", "server"]

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))
REQUESTS = [
    pytest.param(request, id=f"{file.stem}: {request['method']} {request['path']} {place}")
    for file in RECORDED
    for place, request in enumerate(json.loads(file.read_text())["requests"])
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_client_is_answered_as_it_was(server: Server, request_: dict[str, Any]) -> None:
    answer = httpx.request(
        request_["method"],
        server.url + request_["path"],
        headers=request_["headers"],
        content=request_["body"].encode("latin-1"),
        trust_env=False,
    )

    assert answer.status_code == request_["status"]
    if answer.is_success and request_["path"].endswith("/infer"):
        place = int(answer.headers.get("inference-header-content-length", len(answer.content)))
        content = json.loads(answer.content[:place])
        assert content["model_name"] == "tiny"
        assert content["outputs"][0].get("data", [2001.5, 2002.5]) == [2001.5, 2002.5]
    elif answer.is_success:
        assert answer.json().get("live", answer.json().get("ready", True)) is True
    else:
        assert answer.json()["error"]


def test_both_clients_are_recorded() -> None:
    assert [file.stem for file in RECORDED] == ["kserve", "mlserver"]
