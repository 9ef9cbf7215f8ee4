"""The registry answers the stories as a stock server did when they were recorded."""

import json
from typing import Any

import httpx

from services.registry.main import build
from services.registry.settings import RegistrySettings
from tests.conformance.mlflow.answers import Answer
from tests.conformance.mlflow.asking import play
from tests.conformance.mlflow.differences import DIFFERENCES, FIELDS
from tests.conformance.mlflow.record import ANSWERS
from tests.conformance.mlflow.stories import STORIES
from tests.fixtures.services import World


def _recorded(story: str) -> dict[str, Answer]:
    content = json.loads((ANSWERS / f"{story}.json").read_text())
    return {what: Answer(answer["status"], _without(answer["content"])) for what, answer in content.items()}


def _without(content: Any) -> Any:
    match content:
        case dict():
            return {name: _without(value) for name, value in content.items() if name not in FIELDS}
        case list():
            return [_without(item) for item in content]
        case _:
            return content


async def test_same_requests_same_answers(sqlite_world: World) -> None:
    otherwise = {}
    async with (
        sqlite_world.running(build(sqlite_world.settings(RegistrySettings))) as registry,
        httpx.AsyncClient(base_url=registry.url, timeout=20) as client,
    ):
        for name, story in STORIES.items():
            expected = _recorded(name)
            expected |= {what: answer for (told, what), (answer, _) in DIFFERENCES.items() if told == name}
            for what, answer in (await play(story, client)).items():
                if answer != expected[what]:
                    otherwise[name, what] = answer, expected[what]

    assert otherwise == {}


def test_every_difference_is_one() -> None:
    recorded = {(story, what): answer for story in STORIES for what, answer in _recorded(story).items()}

    assert [at for at, (answer, _) in DIFFERENCES.items() if recorded[at] == answer] == []
