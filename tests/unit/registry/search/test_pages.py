"""A token that somebody made up, well or badly, is refused before a database sees it."""

import json
from base64 import urlsafe_b64encode
from datetime import datetime

import pytest
from sqlalchemy import column

from services.registry.search.language import SearchError
from services.registry.search.pages import _digest, _places
from services.registry.search.sorting import Sort

SORTS = [Sort(column("name")), Sort(column("number"), holds=int), Sort(column("at"), holds=datetime)]
HERE = [[0, "a"], [0, 1], [0, "2026-01-02T03:04:05+00:00"]]


def _token(body: str) -> str:
    return urlsafe_b64encode(_digest(body.encode(), b"asked") + body.encode()).decode()


def test_a_place_is_read_back() -> None:
    assert _places(_token(json.dumps(HERE)), SORTS, b"asked") == [
        (0, "a"),
        (0, 1),
        (0, datetime.fromisoformat("2026-01-02T03:04:05+00:00")),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        json.dumps(HERE[:2]),
        json.dumps([*HERE, HERE[0]]),
        json.dumps([[0, 1], *HERE[1:]]),
        json.dumps([HERE[0], [0, True], HERE[2]]),
        json.dumps([HERE[0], [0, 2**63], HERE[2]]),
        json.dumps([HERE[0], [False, 1], HERE[2]]).replace("false", "null"),
        json.dumps([*HERE[:2], [0, "noon"]]),
        json.dumps([[1, "a"], *HERE[1:]]),
        json.dumps([[10**30, None], *HERE[1:]]),
        json.dumps([[0, "\0"], *HERE[1:]]),
        json.dumps([[0, "\ud800"], *HERE[1:]]),
        "[" * 100_000,
    ],
    ids=lambda body: body[:40],
)
def test_any_other_place_is_refused(body: str) -> None:
    with pytest.raises(SearchError, match="Invalid page token"):
        _places(_token(body), SORTS, b"asked")
