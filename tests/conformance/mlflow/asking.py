"""Plays a story: requests one after another, each of which may use what earlier ones were answered."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.conformance.mlflow.answers import Answer, Ids

API = "/api/2.0"
SEARCHES = {
    "runs/search": "runs.*.info.run_id",
    "experiments/search": "experiments.*.name",
    "registered-models/search": "registered_models.*.name",
    "model-versions/search": "model_versions.*.version",
    "logged-models/search": "models.*.info.name",
}


@dataclass(frozen=True)
class Ask:
    """A request.

    Attributes:
        what: Says it in words, once in a story.
        method: The HTTP method.
        path: Below ``/api/2.0``, or from the root with a leading ``!``; ``<name>`` stands for an id kept earlier.
        given: The query of a GET, the JSON body of any other; bytes are sent as they are.
        keeps: A name to where an id is in the answer, as ``run: run.info.run_id``.
        picks: How much of a good answer counts, as ``runs.*.info.run_id``; all of it where unset.
    """

    what: str
    method: str
    path: str
    given: Any = None
    keeps: Mapping[str, str] = field(default_factory=dict)
    picks: str = ""


Story = Sequence[Ask]


def get(what: str, path: str, /, **given: Any) -> Ask:
    """Ask something of MLflow's API."""
    return Ask(what, "GET", f"/mlflow/{path}", given, picks=_picks(path))


def post(what: str, path: str, keeps: Mapping[str, str] | None = None, /, **given: Any) -> Ask:
    """Tell MLflow's API something."""
    return Ask(what, "POST", f"/mlflow/{path}", given, keeps or {}, _picks(path))


def _picks(path: str) -> str:
    # Of what a search finds it is enough to know what it is, and in which order.
    return SEARCHES.get(path, "")


async def play(story: Story, client: httpx.AsyncClient) -> dict[str, Answer]:
    """Ask everything, and normalise what comes back.

    Returns:
        By what was asked.
    """
    ids = Ids()
    answers: dict[str, Answer] = {}
    for ask in story:
        assert ask.what not in answers, f"asked twice: {ask.what}"
        answered = await _ask(ask, ids, client)
        content = _content(answered)
        for name, place in ask.keeps.items():
            ids.keep(name, str(_at(content, place)))
        if ask.picks and answered.is_success:
            content = _at(content, ask.picks)
        answers[ask.what] = Answer.of(answered.status_code, content, ids)
    return answers


async def _ask(ask: Ask, ids: Ids, client: httpx.AsyncClient) -> httpx.Response:
    path = ids.fill(ask.path)
    url = path[1:] if path.startswith("!") else f"{API}{path}"
    given = ids.fill(ask.given)
    if isinstance(given, bytes):
        return await client.request(ask.method, url, content=given)
    if ask.method == "GET":
        return await client.get(url, params=given)
    return await client.request(ask.method, url, json=given)


def _content(answered: httpx.Response) -> Any:
    if answered.headers.get("content-type", "").startswith("application/json"):
        return json.loads(answered.content)
    return answered.text if answered.is_success and answered.text else {}


def _at(content: Any, place: str) -> Any:
    step, _, rest = place.partition(".")
    if step == "*":
        return [_at(item, rest) for item in content]
    # What is empty may be left out.
    inner = content[int(step)] if step.isdigit() else content.get(step, [])
    return _at(inner, rest) if rest else inner
